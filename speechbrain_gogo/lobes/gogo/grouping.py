"""Waveforms cut into groups of normalized mel frames.

Audio is padded with zeros, to whole groups; every frame is centred at a
multiple of the hop. A group's mel and tokens are therefore the same in any
batch and in any segment of the audio.

Letters: B batch, T samples, N groups, g frames per group, d mel bins.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import count_steps


class MelGroups(nn.Module):
    """Waveforms to normalized groups of mel frames.

    Arguments
    ---------
    mel : VocosMel
        Features of the waveform.
    group_size : int
        Frames per group, g.
    mel_mean : float
        Subtracted from the log-mel.
    mel_std : float
        Divides the log-mel.
    mel_floor : float
        Lower bound of the log-mel: below it nothing is audible, and digital
        silence, at -16, would dominate the loss. None for no bound.
    mel_power : float
        Use the magnitudes to this power instead of their logarithm (the paper).
        With 0.1 to 0.3, errors of inaudible magnitudes count less. Mean and
        deviation are then those of the powers.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> groups, lens = MelGroups(VocosMel(), 20).group(torch.randn(2, 24000))
    >>> groups.shape
    torch.Size([2, 5, 20, 100])
    """

    def __init__(
        self,
        mel,
        group_size,
        mel_mean=0.0,
        mel_std=1.0,
        mel_floor=None,
        mel_power=None,
    ):
        super().__init__()
        self.mel = mel
        self.group_size = group_size
        self.mel_mean = mel_mean
        self.mel_std = mel_std
        self.mel_floor = mel_floor
        self.mel_power = mel_power
        self.sample_rate = mel.sample_rate
        self.group_samples = group_size * mel.hop_length

    @property
    def mel_signature(self):
        """Settings of the mel on which tokens depend."""
        numbers = (self.mel_mean, self.mel_std, self.mel_floor)
        return numbers if self.mel_power is None else (*numbers, self.mel_power)

    def group(self, wavs, wav_lens=None):
        """Zero the padding of waveforms [B, T], and cut their mel into groups.

        Waveforms are in [-1, 1], with relative lengths [B]. Gives normalized mel
        groups [B, N, g, d] and relative lengths [B] over N.
        """
        count = self.count_samples(wavs, wav_lens)
        num_groups = self.count_groups(wavs.shape[1])
        groups = self.mel_groups(self.stretch(wavs, count, 0, num_groups))
        return groups, self.count_groups(count) / num_groups

    def count_samples(self, wavs, wav_lens):
        """Samples of each utterance, int64 [B]."""
        batch, samples = wavs.shape
        if wav_lens is None:
            wav_lens = torch.ones(batch, device=wavs.device)
        return count_steps(wav_lens, samples).clamp(max=samples)

    def count_groups(self, count):
        """Number of groups for ``count`` samples."""
        return -(-count // self.group_samples)

    def stretch(self, wavs, count, first, size):
        """Audio of groups first..first + size, with the margins of their frames.

        Zeros are added beyond both ends of every utterance.
        """
        samples = wavs.shape[1]
        start = first * self.group_samples - self.mel.margin
        stop = start + self.window_samples(size)
        wavs = F.pad(
            wavs[:, max(start, 0) : stop],
            (max(-start, 0), max(stop - samples, 0)),
        )
        place = torch.arange(start, stop, device=wavs.device)
        return torch.where(place < count.unsqueeze(1), wavs, 0.0)

    def mel_groups(self, stretch):
        """Normalized mel [B, N, g, d] of [B, window_samples(N)]."""
        mel = self.normalize(self.mel.frames(stretch))
        return mel.unflatten(1, (-1, self.group_size))

    def normalize(self, log_mel):
        """Normalized mel of a log-mel of any shape."""
        mel = log_mel
        if self.mel_floor is not None:
            mel = mel.clamp(min=self.mel_floor)
        if self.mel_power is not None:
            mel = (self.mel_power * mel).exp()
        return (mel - self.mel_mean) / self.mel_std

    def log_mel(self, normalized):
        """Log-mel of a normalized mel, the inverse of :meth:`normalize`."""
        mel = normalized * self.mel_std + self.mel_mean
        if self.mel_power is not None:
            floor = math.log(self.mel.clip)
            if self.mel_floor is not None:
                floor = max(floor, self.mel_floor)
            mel = mel.clamp(min=math.exp(self.mel_power * floor))
            mel = mel.log() / self.mel_power
        return mel

    def window_samples(self, num_groups):
        """Number of samples on which ``num_groups`` groups depend."""
        overlap = self.mel.n_fft - self.mel.hop_length
        return num_groups * self.group_samples + overlap
