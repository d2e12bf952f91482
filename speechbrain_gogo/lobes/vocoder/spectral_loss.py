"""Spectral distances of two waveforms: at several resolutions, or of their mels.

The first trains the vocoder, together with the mel distance, before the discriminators
are used: magnitudes at several window lengths agree only if the phases are
consistent. After Yamamoto et al. (2020), Parallel WaveGAN; the mel distance and
the adversarial losses come from the vocos package.
"""

import torchaudio
from torch import nn

FLOOR = 1e-5  # of the magnitudes


class MultiResolutionSTFTLoss(nn.Module):
    """Spectral convergence plus L1 of log-magnitudes, mean over resolutions.

    Arguments
    ---------
    fft_sizes : list of int
        Window lengths, in samples; the hop is a quarter of each.

    Example
    -------
    >>> import torch
    >>> loss = MultiResolutionSTFTLoss([256, 512])
    >>> wavs = torch.randn(2, 4096)
    >>> float(loss(wavs, wavs))
    0.0
    """

    def __init__(self, fft_sizes=(512, 1024, 2048)):
        super().__init__()
        self.spectrograms = nn.ModuleList(
            torchaudio.transforms.Spectrogram(
                size, hop_length=size // 4, power=1
            )
            for size in fft_sizes
        )

    def forward(self, predicted, target):
        """Distance of two batches of waveforms [B, T], a scalar."""
        loss = 0.0
        for spectrogram in self.spectrograms:
            guess = spectrogram(predicted).clamp(min=FLOOR)
            truth = spectrogram(target).clamp(min=FLOOR)
            loss = loss + (truth - guess).norm() / truth.norm()
            loss = loss + nn.functional.l1_loss(guess.log(), truth.log())
        return loss / len(self.spectrograms)


class LossOfMels(nn.Module):
    """Distance of two waveforms by a loss of their mels.

    Arguments
    ---------
    mel : torch.nn.Module
        Waveforms [B, T] to log-mels [B, N, d].
    loss : torch.nn.Module
        Losses [B] of predicted and true log-mels.

    Example
    -------
    >>> import torch
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> from speechbrain_gogo.lobes.gogo.training.envelopes import EnvelopeLoss
    >>> distance = LossOfMels(VocosMel(), EnvelopeLoss(VocosMel()))
    >>> wavs = torch.randn(2, 24000)
    >>> abs(float(distance(0.5 * wavs, wavs))) < 1e-3
    True
    """

    def __init__(self, mel, loss):
        super().__init__()
        self.mel, self.loss = mel, loss

    def forward(self, predicted, target):
        """Mean over a batch of waveforms [B, T], a scalar."""
        return self.loss(self.mel(predicted), self.mel(target)).mean()
