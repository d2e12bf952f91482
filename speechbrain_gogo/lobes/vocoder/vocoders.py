"""Vocoders: from log-mel frames to the waveform (Section 3.1.1, Eq. 2).

A neural one (Vocos, from its own package) and Griffin-Lim, which needs no
training, behind one contract. The mel itself is in mel.py, how long audio is
vocoded in windows.py, training in brains/vocoder.py, files of the vocos
package in lobes/vocoder/vocos_files.py.
"""

import math

import torch
import torchaudio
from torch import nn
from vocos.heads import ISTFTHead
from vocos.models import VocosBackbone
from vocos.spectral_ops import ISTFT


class Vocoder(nn.Module):
    """What every vocoder promises.

    T frames give exactly T * hop samples, and sample i * hop is the centre
    of frame i. ``context`` says how many frames on each side an output frame
    hears. A subclass gives ``context`` and ``vocode``.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    n_fft : int
        Size of the window and of the FFT, in samples.
    hop_length : int
        Samples per mel frame.
    """

    def __init__(self, n_mels, n_fft, hop_length):
        super().__init__()
        self.n_mels = n_mels
        self.n_fft = n_fft
        self.hop_length = hop_length

    def forward(self, mel):
        """Vocode log-mel frames.

        Arguments
        ---------
        mel : torch.Tensor
            As VocosMel makes them, shape [B, T, n_mels].

        Returns
        -------
        torch.Tensor
            Waveforms, shape [B, T * hop_length].

        Raises
        ------
        ValueError
            If ``mel`` has another shape.
        """
        if mel.dim() != 3 or mel.shape[2] != self.n_mels or not mel.shape[1]:
            raise ValueError(
                f"mel has shape {tuple(mel.shape)}; a vocoder wants "
                f"[batch, frames, {self.n_mels}] with at least one frame."
            )
        return self.vocode(mel)


class FullLengthISTFT(ISTFT):
    """Vocos' centred inverse STFT, without losing the last hop.

    T frames cover T * hop samples; Vocos returns the first (T - 1) * hop.
    Nor is the window kept as a weight: it follows from its length.

    Arguments
    ---------
    n_fft : int
        Size of the window and of the FFT, in samples.
    hop_length : int
        Samples between frames.

    Example
    -------
    >>> spectrum = torch.randn(1, 513, 20, dtype=torch.cfloat)
    >>> FullLengthISTFT(1024, 256)(spectrum).shape
    torch.Size([1, 5120])
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
    n_mels, n_fft, hop_length : int
        As in :class:`Vocoder`.
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
        super().__init__(n_mels, n_fft, hop_length)
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
        """Load a trained Vocos in the layout of the vocos package.

        Arguments
        ---------
        source : str | Path
            A folder, or a repository of the Hugging Face hub such as
            "charactr/vocos-mel-24khz".

        Returns
        -------
        VocosVocoder
            In evaluation mode.

        Raises
        ------
        ValueError
            If a file is missing, the configuration is not a mel Vocos with
            centred frames, or the weights do not fit it to the last key.
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


class GriffinLimVocoder(Vocoder):
    """Griffin-Lim: phase by alternating projections, nothing to train.

    The mel filters are undone by their pseudo-inverse, clipped at zero. All
    phases start at zero, so the same mel always gives the same audio.

    Arguments
    ---------
    sample_rate : int
        Of the waveform, in Hz.
    n_fft, hop_length, n_mels : int
        As in :class:`Vocoder`.
    num_iterations : int
        Rounds of inverse and forward STFT.
    momentum : float
        Of fast Griffin-Lim, in [0, 1).

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
        super().__init__(n_mels, n_fft, hop_length)
        self.sample_rate = sample_rate
        self.num_iterations = num_iterations
        self.momentum = momentum
        filters = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate
        )  # [n_fft / 2 + 1, n_mels], HTK scale, not normalised
        inverse = torch.linalg.pinv(filters.double()).float()
        self.register_buffer("mel_inverse", inverse, persistent=False)
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window, persistent=False)

    @property
    def context(self):
        """Frames on each side on which an output frame depends.

        A round spreads news as far as two windows overlap. Nearly all of it
        comes from within 32 frames; the rest makes windows leave no trace.
        """
        spread = math.ceil(self.n_fft / self.hop_length) - 1
        last = math.ceil(self.n_fft / (2 * self.hop_length))
        return self.num_iterations * spread + last

    @torch.no_grad()
    def vocode(self, mel):
        """Mel [B, T, n_mels] to waveforms [B, T * hop_length]."""
        frames = mel.shape[1]
        with torch.autocast(mel.device.type, enabled=False):
            magnitude = mel.float().exp() @ self.mel_inverse
            magnitude = magnitude.clamp(min=0).transpose(1, 2)
            # One more frame closes the last hop; the STFT reflects half a
            # window at the ends, which must not be longer than the audio.
            missing = max(1, self.n_fft // self.hop_length - frames)
            magnitude = nn.functional.pad(
                magnitude, (0, missing), mode="replicate"
            )
            wavs = torchaudio.functional.griffinlim(
                magnitude,
                self.window,
                self.n_fft,
                self.hop_length,
                self.n_fft,
                power=1.0,
                n_iter=self.num_iterations,
                momentum=self.momentum,
                length=None,
                rand_init=False,
            )
        return wavs[:, : frames * self.hop_length]
