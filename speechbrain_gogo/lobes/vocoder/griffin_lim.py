"""Griffin-Lim for the log-mel of the siblings, where there is no BigVGAN."""

import math

import torch
import torchaudio
from torch import nn
from torch.nn import functional as F


class MagnitudeGriffinLim(nn.Module):
    """Phase by alternating projections, nothing to train.

    The mel filters of :class:`~speechbrain_gogo.lobes.nn.log_mel.MagnitudeMel`
    are undone by their pseudo-inverse, clipped at zero. All phases start at
    zero, so the same mel always gives the same audio.

    Arguments
    ---------
    sample_rate, n_fft, win_length, hop_length, n_mels : int
        As in ``MagnitudeMel``.
    num_iterations : int
        Rounds of inverse and forward STFT.
    momentum : float
        Of fast Griffin-Lim, in [0, 1).

    Example
    -------
    >>> vocoder = MagnitudeGriffinLim(num_iterations=2)
    >>> vocoder(torch.randn(2, 24, 80)).shape
    torch.Size([2, 3840])
    """

    def __init__(
        self,
        sample_rate=16000,
        n_fft=1024,
        win_length=640,
        hop_length=160,
        n_mels=80,
        num_iterations=64,
        momentum=0.99,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.n_mels = n_mels
        self.win_length = win_length
        self.hop_length = hop_length
        self.num_iterations = num_iterations
        self.momentum = momentum
        filters = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1,
            0.0,
            sample_rate / 2,
            n_mels,
            sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        inverse = torch.linalg.pinv(filters.double()).float()
        self.register_buffer("mel_inverse", inverse, persistent=False)
        window = torch.hann_window(win_length)
        self.register_buffer("window", window, persistent=False)

    @property
    def context(self):
        """Frames on each side that an output frame depends on, exactly."""
        spread = math.ceil(self.n_fft / self.hop_length) - 1
        return (self.num_iterations + 1) * spread + 1

    @torch.no_grad()
    def forward(self, mel):
        """Log-mel [B, M, n_mels] to waveforms [B, M * hop_length]."""
        frames = mel.shape[1]
        with torch.autocast(mel.device.type, enabled=False):
            magnitude = mel.float().exp() @ self.mel_inverse
            magnitude = magnitude.clamp(min=0).transpose(1, 2)
            # The STFT reflects half a transform at the ends, which must not
            # be longer than the audio.
            missing = max(1, self.n_fft // self.hop_length - frames)
            magnitude = F.pad(magnitude, (0, missing), mode="replicate")
            wavs = torchaudio.functional.griffinlim(
                magnitude,
                self.window,
                self.n_fft,
                self.hop_length,
                self.win_length,
                power=1.0,
                n_iter=self.num_iterations,
                momentum=self.momentum,
                length=None,
                rand_init=False,
            )
        # Frame t has its centre at (t + 1/2) hops, not at t hops as here.
        wavs = F.pad(wavs, (self.hop_length // 2, 0))
        return wavs[:, : frames * self.hop_length]
