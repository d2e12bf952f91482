"""The watermark of resemble-perth, for audio of any rate, piece by piece.

Perth works at 32 kHz in frames of 10 ms, and adds a signal to the spectrogram
below 2 kHz that its detector finds. Only this signal is resampled here and
added to the audio, which is otherwise unchanged.
"""

import contextlib
import io
import math
import warnings
from importlib import import_module

import torch

from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.optional_packages import import_backend

MODULE = "perth.perth_net.perth_net_implicit.perth_watermarker"

PERTH_RATE = 32000  # Hz
PERTH_FRAME = 320  # samples at that rate
# Samples before and after a watermarked one on which it depends: five
# convolutions of 7 frames, and half a window of the STFT when it is analysed
# and synthesised.
CONTEXT_FRAMES = 25
# With fewer, most of the computation would be for the context.
LEAST_FRAMES = 20
MOST_SECONDS = 30  # of audio that is watermarked at once
SHORTEST = 4096  # samples at Perth's rate; its STFT cannot pad fewer than 1,025


class PerthWatermark:
    """Adds an inaudible watermark to audio, and detects it.

    Raises an ImportError if resemble-perth, or what it needs, is not installed.
    """

    name = "perth"

    def __init__(self):
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            # It prints a warning about pkg_resources and the step of its
            # weights.
            warnings.simplefilter("ignore")
            # `perth` has None in place of the class if an import of its own
            # fails; its module says which.
            import_backend(MODULE, "resemble-perth", extra="watermark")
            self.perth = import_module(MODULE).PerthImplicitWatermarker()

    def mark_stream(self, pieces, sample_rate):
        """Watermark consecutive pieces of one signal, as the whole signal.

        Pieces are float [T] on the CPU, T varying. The result has the same total
        length. The delay is up to 0.45 s, since a watermarked sample depends on later
        ones.
        """
        # Whole frames of Perth begin at these samples: 10 ms, or a multiple.
        unit = int(sample_rate) // math.gcd(int(sample_rate), 100)
        frame = sample_rate / 100
        context = unit * math.ceil(CONTEXT_FRAMES * frame / unit)
        least = unit * math.ceil(LEAST_FRAMES * frame / unit)
        most = int(MOST_SECONDS * sample_rate)
        held, before = torch.zeros(0), 0  # samples; those already watermarked
        for part in (part for piece in pieces for part in piece.split(most)):
            held = torch.cat([held, part.float()])
            ready = (len(held) - before - context) // unit * unit
            if ready < least:
                continue
            done = before + ready
            yield self._mark_whole(held, sample_rate)[before:done]
            first = max(done - context, 0)
            held, before = held[first:], done - first
        if len(held) > before:
            yield self._mark_whole(held, sample_rate)[before:]

    @torch.no_grad()
    def _mark_whole(self, wav, rate):
        """Watermark a waveform [T] at once."""
        given = _pad(change_rate(wav, rate, PERTH_RATE))
        marked = self.perth.apply_watermark(given, PERTH_RATE)
        added = torch.from_numpy(marked) - given[: len(marked)]
        return wav + change_rate(added, PERTH_RATE, rate)[: len(wav)]

    @torch.no_grad()
    def score(self, wav, sample_rate):
        """Confidence of the detector that there is a watermark, from 0 to 1.

        ``wav`` is float [T] on the CPU, of any length; NaN for digital silence.
        """
        given = _pad(change_rate(wav.float(), int(sample_rate), PERTH_RATE))
        return float(self.perth.get_watermark(given, PERTH_RATE, round=False))


def _pad(wav):
    """Samples at Perth's rate, with zeros up to whole frames and one more."""
    frames = -(-max(len(wav), SHORTEST) // PERTH_FRAME) + 1
    return torch.nn.functional.pad(wav, (0, frames * PERTH_FRAME - len(wav)))
