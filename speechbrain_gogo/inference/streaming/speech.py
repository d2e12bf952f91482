"""Output of GogoSpeech: a whole utterance, or a stream of audio chunks."""

import threading
from dataclasses import dataclass

import torch

from speechbrain_gogo.dataio.audio.writing import written_audio
from speechbrain_gogo.inference.marking import SYNTHETIC, mark_stream


@dataclass
class Speech:
    """A synthesized utterance, on the CPU.

    wav: float32 [T]; sample_rate: in Hz; tokens: int64 [N, 10], the masking token
    where one was skipped; budgets: int64 [N], tokens of each group; finished: False
    if generation was cut off because it did not end or repeated itself, or if the
    utterance is empty.
    """

    wav: torch.Tensor
    sample_rate: int
    tokens: torch.Tensor
    budgets: torch.Tensor
    finished: bool


class SpeechCancelledError(Exception):
    """A stream was cancelled while it was read."""


class SpeechStream:
    """Iterator of audio chunks, each as early as possible.

    Each chunk is float32 [T], on the CPU. Once any thread sets the event
    ``cancelled``, no more groups are generated, and the iterator raises a
    SpeechCancelledError.

    ``sentences`` has for each sentence an iterable of
    :class:`~speechbrain_gogo.inference.synthesis.generator.Groups` of one
    utterance, which may be generated while it is read. ``decoding`` are
    settings of the codec's ``decode_groups``.
    """

    def __init__(self, codec, sentences, **decoding):
        self.sample_rate = codec.sample_rate
        self.chunks = []  # of audio, so far
        self.groups = []  # of each sentence
        self.cancelled = threading.Event()
        self.decoded = codec.decode_groups(self._tokens(sentences), **decoding)

    def __iter__(self):
        return self

    def __next__(self):
        self.chunks.append(next(self.decoded).cpu())
        return self.chunks[-1]

    def speech(self):
        """Generate the rest and return the Speech, earlier chunks included."""
        for _ in self:
            pass
        parts = [collect_groups(groups) for groups in self.groups]
        tokens, budgets, finished = zip(*parts)
        tokens, budgets = torch.cat(tokens).cpu(), torch.cat(budgets).cpu()
        nothing = torch.zeros(0, dtype=torch.float32)
        wav = torch.cat([nothing, *self.chunks])
        return Speech(wav, self.sample_rate, tokens, budgets, all(finished))

    def write(self, out_path, watermark="perth"):
        """Write audio into a file, chunk by chunk, in the format of its suffix.

        Folders are made; the metadata marks the audio as synthetic.
        ``watermark`` is an inaudible one to add, if installed; None for none.
        Yields the seconds of audio written so far, after every chunk. Raises a
        ValueError if the suffix names no audio format, or there is no such
        watermark.
        """
        pieces = mark_stream(self, self.sample_rate, watermark)
        with written_audio(out_path, self.sample_rate, SYNTHETIC) as write:
            for audio in pieces:
                yield write(audio)

    def _tokens(self, sentences):
        """Tokens [K] of each group, one by one."""
        for sentence in sentences:
            self.groups.append([])
            for groups in sentence:
                if self.cancelled.is_set():
                    raise SpeechCancelledError
                self.groups[-1].append(groups)
                if groups.active[0]:
                    yield groups.tokens[0]


def collect_groups(groups):
    """Tokens [N, K], budgets [N], and whether an utterance has finished.

    ``groups`` are all groups of this utterance, as batches of one.
    """
    tokens, budgets, active, finished = (
        torch.cat(parts) for parts in zip(*groups)
    )
    finished = bool(finished[-1] & active.any())
    return tokens[active], budgets[active], finished
