"""Fourier transforms as convolutions, for runtimes without them.

Mels and Vocos are the same functions as those of lobes/gogo/mel.py,
lobes/nn/log_mel.py and vocoders.py, in operations that every runtime of ONNX has.

Letters: B batch, W samples, T frames, d mel bins, K = n_fft / 2 + 1 frequencies.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.log_mel import LEAST_POWER


def fourier_basis(n_fft):
    """Rows of the discrete Fourier transform of real signals.

    Of the real parts and of the imaginary parts, float32 [2 K, n_fft].

    Example
    -------
    >>> x = torch.randn(8)
    >>> real, imaginary = (fourier_basis(8) @ x).chunk(2)
    >>> bool((torch.complex(real, imaginary) - torch.fft.rfft(x)).abs().max() < 1e-5)
    True
    """
    frequency = torch.arange(n_fft // 2 + 1)
    turns = torch.outer(frequency, torch.arange(n_fft)) % n_fft  # exact
    angle = turns.double() * (2 * math.pi / n_fft)
    return torch.cat([angle.cos(), -angle.sin()]).float()


class ConvolutionalMel(nn.Module):
    """The frames of a VocosMel whose windows are inside the audio.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> mel, wavs = VocosMel(), torch.randn(2, 4096)
    >>> bool((ConvolutionalMel(mel)(wavs) - mel.frames(wavs)).abs().max() < 1e-4)
    True
    """

    def __init__(self, mel):
        super().__init__()
        window = mel.spectrogram.spectrogram.window
        basis = fourier_basis(mel.n_fft) * window
        self.register_buffer("basis", basis.unsqueeze(1))  # [2 K, 1, n_fft]
        self.register_buffer("filters", mel.spectrogram.mel_scale.fb)  # [K, d]
        self.hop_length = mel.hop_length
        self.clip = mel.clip

    def forward(self, wavs):
        """wavs [B, (T - 1) * hop + n_fft] -> log-mel [B, T, d]."""
        spectrum = F.conv1d(
            wavs.unsqueeze(1), self.basis, stride=self.hop_length
        )
        real, imaginary = spectrum.chunk(2, dim=1)  # [B, K, T]
        magnitude = (real.square() + imaginary.square()).sqrt()
        mel = magnitude.transpose(1, 2) @ self.filters
        return mel.clamp(min=self.clip).log()


class ConvolutionalMagnitudeMel(nn.Module):
    """A MagnitudeMel.

    Example
    -------
    >>> from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
    >>> mel, wavs = MagnitudeMel(), torch.randn(2, 1920)
    >>> found = ConvolutionalMagnitudeMel(mel)(wavs)
    >>> bool((found - mel(wavs)).abs().max() < 1e-4)
    True
    """

    def __init__(self, mel):
        super().__init__()
        missing = mel.n_fft - mel.window.numel()  # a window in the middle
        window = F.pad(mel.window, (missing // 2, missing - missing // 2))
        basis = fourier_basis(mel.n_fft) * window
        self.register_buffer("basis", basis.unsqueeze(1))  # [2 K, 1, n_fft]
        self.register_buffer("filters", mel.filters)  # [K, d]
        self.margin = (mel.n_fft - mel.hop_length) // 2
        self.hop_length, self.floor = mel.hop_length, mel.floor

    def forward(self, wavs):
        """wavs [B, T * hop] -> log-mel [B, T, d]."""
        ends = self.margin, self.margin
        padded = F.pad(wavs.unsqueeze(1), ends, mode="reflect")
        spectrum = F.conv1d(padded, self.basis, stride=self.hop_length)
        real, imaginary = spectrum.chunk(2, dim=1)  # [B, K, T]
        power = real.square() + imaginary.square() + LEAST_POWER
        mel = power.sqrt().transpose(1, 2) @ self.filters
        return mel.clamp(min=self.floor).log()


class ConvolutionalVocos(nn.Module):
    """A VocosVocoder with its inverse STFT as a transposed convolution.

    Its weights are shared.

    Example
    -------
    >>> from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
    >>> vocoder = VocosVocoder(dim=32, intermediate_dim=64, num_layers=2)
    >>> found = ConvolutionalVocos(vocoder)(mel := torch.randn(2, 20, 100))
    >>> bool((found - vocoder(mel)).abs().max() < 1e-4)
    True
    """

    def __init__(self, vocoder):
        super().__init__()
        self.backbone = vocoder.backbone
        self.project = vocoder.head.out
        self.n_fft, self.hop_length = vocoder.n_fft, vocoder.hop_length
        window = vocoder.head.istft.window
        weight = torch.full((self.n_fft // 2 + 1,), 2.0 / self.n_fft)
        weight[0] = weight[-1] = 1.0 / self.n_fft
        basis = fourier_basis(self.n_fft) * window
        basis = basis * weight.repeat(2).unsqueeze(1)
        self.register_buffer("basis", basis.unsqueeze(1))  # [2 K, 1, n_fft]
        self.register_buffer("energy", window.square()[None, None])

    def forward(self, log_mel):
        """log_mel [B, T, d] -> waveforms [B, T * hop]."""
        hidden = self.backbone(log_mel.transpose(1, 2))  # [B, T, D]
        scores, phase = self.project(hidden).transpose(1, 2).chunk(2, dim=1)
        magnitude = scores.exp().clamp(max=1e2)  # as Vocos' ISTFTHead
        spectrum = torch.cat([phase.cos(), phase.sin()], dim=1)  # [B, 2 K, T]
        spectrum = spectrum * magnitude.repeat(1, 2, 1)
        stride = self.hop_length
        wavs = F.conv_transpose1d(spectrum, self.basis, stride=stride)
        once = torch.ones_like(spectrum[:1, :1])
        energy = F.conv_transpose1d(once, self.energy, stride=stride)
        first, count = self.n_fft // 2, log_mel.shape[1] * stride
        wavs, energy = (x[:, 0, first : first + count] for x in (wavs, energy))
        return wavs / energy
