"""Correlation of the envelopes of two mels, as in STOI.

An additional loss for small codecs. STOI (Taal et al., 2011) correlates the
temporal envelopes of third-octave bands in segments of 384 ms; it is computed
here from mels instead of waveforms. Not in the paper.

Letters: B batch, T mel frames, d mel bins, O = 15 bands, S segments, F frames
of a segment.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import length_mask

NUM_BANDS, LOWEST = 15, 150.0  # third octaves from this centre in Hz
SECONDS = 0.384  # of a segment
CLIPPING = 1 + 10 ** (15 / 20)  # largest ratio to the clean envelope
AUDIBLE = 1e-4  # power of a frame, relative to the loudest one
SMALL = 1e-10


class EnvelopeLoss(nn.Module):
    """One minus the correlation of the envelopes of two mels.

    Segments overlap by three quarters. Each is weighted by its share of frames
    that are within 40 dB of the utterance's loudest one; those with padding do
    not count.

    Arguments
    ---------
    mel : VocosMel
        Module that computes the mels, of magnitudes.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> loss, log_mel = EnvelopeLoss(VocosMel()), torch.randn(2, 80, 100)
    >>> bool(loss(log_mel + 1, log_mel).abs().max() < 1e-5)
    True
    >>> bool((loss(torch.randn(2, 80, 100), log_mel) > 0.7).all())
    True
    """

    def __init__(self, mel):
        super().__init__()
        self.segment = round(SECONDS * mel.sample_rate / mel.hop_length)  # F
        weight = third_octaves(mel)
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, predicted, log_mel, lens=None):
        """The loss of each utterance, between 0 and 2, [B].

        It is 0 for utterances shorter than a segment. Log-mels of codec and
        recordings are [B, T, d], with relative lengths [B].
        """
        clean, coded = self.powers(log_mel), self.powers(predicted)
        level = clean.sum(2)  # [B, T]
        real = length_mask(lens, level.shape[1])
        if real is None:
            real = torch.ones_like(level, dtype=torch.bool)
        level = level * real
        audible = level > AUDIBLE * level.amax(1, keepdim=True)
        if level.shape[1] < self.segment:
            return 0 * coded.sum((1, 2))
        share = self.segments(audible.float()).mean(2)  # [B, S]
        share = share * self.segments(real.float()).amin(2)
        clean = self.segments((clean + SMALL).sqrt())  # [B, S, O, F]
        coded = self.segments((coded + SMALL).sqrt())
        found = self.correlation(clean, coded).mean(2)  # [B, S]
        lost = ((1 - found) * share).sum(1)
        return lost / share.sum(1).clamp(min=SMALL)

    def powers(self, log_mel):
        """Log-mel [B, T, d] -> powers of the bands in float32, [B, T, O]."""
        with torch.autocast(log_mel.device.type, enabled=False):
            return (2 * log_mel.float()).exp() @ self.weight

    def segments(self, x):
        """Overlapping segments of frames, [B, T, ...] -> [B, S, ..., F]."""
        return x.unfold(1, self.segment, self.segment // 4)

    @staticmethod
    def correlation(clean, coded):
        """Correlation of envelopes [B, S, O, F]: [B, S, O].

        A coded envelope gets the level of the clean one, and is clipped where
        it is far above.
        """
        power = [x.square().sum(3, keepdim=True) for x in (clean, coded)]
        coded = coded * (power[0] / power[1]).sqrt()
        coded = torch.minimum(coded, CLIPPING * clean)
        clean, coded = (x - x.mean(3, keepdim=True) for x in (clean, coded))
        norms = (x.square().sum(3) + SMALL for x in (clean, coded))
        return (clean * coded).sum(3) * torch.stack([*norms]).prod(0).rsqrt()


def third_octaves(mel):
    """Weights that combine the powers of mel bins in bands, [d, O].

    A mel bin stands for the frequencies that are closer to its centre than to
    those of its neighbours. Its mean power at these counts by the share of them
    that is in the band. Broad bins are not weighted by their width: high bands
    have up to 9 dB less than the power of their spectrum, which matters only
    for the level of frames, since each band is correlated alone.
    """
    filters = mel.spectrogram.mel_scale.fb  # [frequencies, d]
    frequencies = torch.linspace(0, mel.sample_rate / 2, len(filters))
    size = filters.sum(0)  # [d]
    centres = (filters * frequencies.unsqueeze(1)).sum(0) / size
    between = (centres[1:] + centres[:-1]) / 2
    first = 2 * centres[:1] - between[:1]
    last = 2 * centres[-1:] - between[-1:]
    edges = torch.cat([first, between, last]).unsqueeze(1)  # [d + 1, 1]
    low, high = edges[:-1], edges[1:]
    bands = LOWEST * 2 ** (torch.arange(NUM_BANDS) / 3)  # [O]
    overlap = torch.minimum(high, bands * 2 ** (1 / 6))
    overlap = overlap - torch.maximum(low, bands * 2 ** (-1 / 6))
    share = overlap.clamp(min=0) / (high - low)  # [d, O]
    return share / size.square().unsqueeze(1)
