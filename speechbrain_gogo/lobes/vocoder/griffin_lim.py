"""Griffin-Lim: waveforms from log-mel without a trained network.

The algorithm, and a vocoder of the mel of SoCodec and CoFi-Codec that can
replace BigVGAN. The one of Gogo's mel is in vocoders.py.
"""

import math

import torch
import torchaudio
from torch import nn
from torch.nn import functional as F


class GriffinLim(nn.Module):
    """Griffin-Lim of one kind of log-mel; vocoders are made of it.

    Sizes are those of the mel. There are ``num_iterations`` of inverse and forward
    STFT; the momentum of fast Griffin-Lim is in [0, 1). ``scale`` is ``norm`` and
    ``mel_scale`` of torchaudio's mel filters.
    """

    def __init__(
        self,
        sample_rate,
        n_fft,
        win_length,
        hop_length,
        n_mels,
        num_iterations,
        momentum,
        **scale,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.win_length = win_length
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.num_iterations = num_iterations
        self.momentum = momentum
        filters = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, **scale
        )
        inverse = torch.linalg.pinv(filters.double()).float()
        self.register_buffer("mel_inverse", inverse, persistent=False)
        window = torch.hann_window(win_length)
        self.register_buffer("window", window, persistent=False)

    @torch.no_grad()
    def invert(self, mel):
        """Log-mel [B, T, n_mels] to waveforms [B, T * hop or more].

        The centre of frame t is at sample t * hop. Magnitudes are clipped at
        zero. All phases start at zero, so the same mel always gives the same
        audio.
        """
        with torch.autocast(mel.device.type, enabled=False):
            magnitude = mel.float().exp() @ self.mel_inverse
            magnitude = magnitude.clamp(min=0).transpose(1, 2)
            # One more frame completes the last hop. The STFT reflects half a
            # transform at the ends, which must not be longer than the audio.
            missing = max(1, self.n_fft // self.hop_length - mel.shape[1])
            magnitude = F.pad(magnitude, (0, missing), mode="replicate")
            return torchaudio.functional.griffinlim(
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


class MagnitudeGriffinLim(GriffinLim):
    """Griffin-Lim for :class:`~speechbrain_gogo.lobes.nn.log_mel.MagnitudeMel`.

    Arguments
    ---------
    sample_rate, n_fft, win_length, hop_length, n_mels : int
        As in ``MagnitudeMel``.
    num_iterations, momentum
        As in :class:`GriffinLim`.

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
        sizes = sample_rate, n_fft, win_length, hop_length, n_mels
        scale = {"norm": "slaney", "mel_scale": "slaney"}
        super().__init__(*sizes, num_iterations, momentum, **scale)

    @property
    def context(self):
        """Exact number of frames on each side on which an output frame depends."""
        spread = math.ceil(self.n_fft / self.hop_length) - 1
        return (self.num_iterations + 1) * spread + 1

    def forward(self, mel):
        """Log-mel [B, M, n_mels] to waveforms [B, M * hop_length]."""
        # Frame t has its centre at (t + 1/2) hops, not at t hops.
        wavs = F.pad(self.invert(mel), (self.hop_length // 2, 0))
        return wavs[:, : mel.shape[1] * self.hop_length]
