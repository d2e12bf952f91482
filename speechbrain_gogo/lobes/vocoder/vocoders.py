"""Vocoders: from log-mel frames to the waveform (Section 3.1.1, Eq. 2).

A neural vocoder (Vocos, from its own package) and Griffin-Lim, which needs no
training, have the same interface. The mel is in mel.py, vocoding of long audio
in windows.py, training in brains/vocoder.py, and files of the vocos package in
vocos_files.py.
"""

import math

import torch
from torch import nn
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone
from vocos.spectral_ops import ISTFT

from speechbrain_gogo.lobes.vocoder.griffin_lim import GriffinLim


class Vocoder(nn.Module):
    """Base class of vocoders.

    T frames become exactly T * hop samples, and sample i * hop is the centre of
    frame i. ``context`` is the number of frames on each side on which an output
    frame depends. A subclass defines ``context``, ``n_mels``, ``hop_length`` and
    ``vocode``.
    """

    def forward(self, mel):
        """Waveforms [B, T * hop_length] of log-mel frames [B, T, n_mels].

        They are as from VocosMel; raises a ValueError for another shape.
        """
        if mel.dim() != 3 or mel.shape[2] != self.n_mels or not mel.shape[1]:
            raise ValueError(
                f"mel has shape {tuple(mel.shape)}; a vocoder needs "
                f"[batch, frames, {self.n_mels}] with at least one frame."
            )
        return self.vocode(mel)


class FullLengthISTFT(ISTFT):
    """Vocos' centred inverse STFT, including the last hop.

    T frames cover T * hop samples, of which Vocos returns the first (T - 1) *
    hop. The window follows from its length and is not stored as a weight.
    """

    def __init__(self, n_fft, hop_length):
        super().__init__(n_fft, hop_length, n_fft, padding="center")
        self.register_buffer("window", self.window, persistent=False)

    def forward(self, spec):
        """Complex spectrum [B, n_fft / 2 + 1, T] to wave [B, T * hop]."""
        return torch.istft(
            spec,
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=True,
            length=spec.shape[-1] * self.hop_length,
        )


class VocosVocoder(Vocoder):
    """Vocos (Siuzdak, 2023) for mel input, made of the vocos package's parts.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    n_fft : int
        Size of the window and of the FFT, in samples.
    hop_length : int
        Samples per mel frame.
    dim : int
        Width of the ConvNeXt backbone.
    intermediate_dim : int
        Width inside its blocks.
    num_layers : int
        Number of blocks.

    Example
    -------
    >>> vocoder = VocosVocoder(dim=32, intermediate_dim=64, num_layers=2)
    >>> vocoder(torch.randn(2, 20, 100)).shape
    torch.Size([2, 5120])
    >>> vocoder.context
    11
    """

    def __init__(
        self,
        n_mels=100,
        dim=512,
        intermediate_dim=1536,
        num_layers=8,
        n_fft=1024,
        hop_length=256,
    ):
        super().__init__()
        self.n_mels = n_mels
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.dim = dim
        self.intermediate_dim = intermediate_dim
        self.num_layers = num_layers
        self.backbone = VocosBackbone(n_mels, dim, intermediate_dim, num_layers)
        self.head = ISTFTHead(dim, n_fft, hop_length, padding="center")
        self.head.istft = FullLengthISTFT(n_fft, hop_length)

    @property
    def context(self):
        """Frames on each side on which an output frame depends."""
        convolutions = [self.backbone.embed]
        convolutions += [block.dwconv for block in self.backbone.convnext]
        reach = sum(conv.kernel_size[0] // 2 for conv in convolutions)
        return reach + math.ceil(self.n_fft / (2 * self.hop_length))

    def vocode(self, mel):
        """Mel [B, T, n_mels] to waveforms [B, T * hop_length]."""
        hidden = self.backbone(mel.transpose(1, 2))  # [B, T, dim]
        # exp, cos and the inverse FFT have no half precision.
        with torch.autocast(mel.device.type, enabled=False):
            return self.head(hidden.float())

    @classmethod
    def from_source(cls, source):
        """Load a trained Vocos in the layout of the vocos package, for evaluation.

        The source is a folder, or a repository of the Hugging Face hub such as
        "charactr/vocos-mel-24khz". Raises a ValueError if a file is missing, the
        configuration is not a mel Vocos with centred frames, or the weights do not
        fit it to the last key.
        """
        # The only file access in lobes.
        from speechbrain_gogo.lobes.vocoder.vocos_files import (
            read_sizes,
            read_weights,
        )

        vocoder = cls(**read_sizes(source))
        try:
            vocoder.load_state_dict(read_weights(source), strict=True)
        except RuntimeError as error:
            raise ValueError(
                f"The weights of {source} do not fit its configuration: {error}"
            ) from error
        return vocoder.eval()


class GriffinLimVocoder(GriffinLim, Vocoder):
    """Griffin-Lim for :class:`~speechbrain_gogo.lobes.gogo.mel.VocosMel`.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the waveform, in Hz.
    n_fft, hop_length, n_mels : int
        As in :class:`VocosVocoder`.
    num_iterations : int
        Rounds of inverse and forward STFT.
    momentum : float
        Momentum of fast Griffin-Lim, in [0, 1).

    Example
    -------
    >>> vocoder = GriffinLimVocoder(num_iterations=2)
    >>> vocoder(torch.randn(2, 20, 100)).shape
    torch.Size([2, 5120])
    >>> vocoder.context
    8
    """

    def __init__(
        self,
        sample_rate=24000,
        n_fft=1024,
        hop_length=256,
        n_mels=100,
        num_iterations=64,
        momentum=0.99,
    ):
        # HTK scale, not normalized
        sizes = sample_rate, n_fft, n_fft, hop_length, n_mels
        super().__init__(*sizes, num_iterations, momentum)

    @property
    def context(self):
        """Frames on each side on which an output frame depends.

        In each iteration, a frame influences those whose windows overlap with
        its own. Nearly all of the influence is within 32 frames; with the full
        context, vocoding in windows is exact.
        """
        spread = math.ceil(self.n_fft / self.hop_length) - 1
        last = math.ceil(self.n_fft / (2 * self.hop_length))
        return self.num_iterations * spread + last

    def vocode(self, mel):
        """Mel [B, T, n_mels] to waveforms [B, T * hop_length]."""
        return self.invert(mel)[:, : mel.shape[1] * self.hop_length]
