"""A discriminator of mel spectrograms in windows of several lengths.

SoCodec and CoFi-Codec train against "the discriminator proposed in Mega-TTS"
(Section 3.2.3); neither paper gives its sizes. This is the design of
SyntaSpeech (Ye et al., 2022), the closest published one: a random window and a
small two-dimensional network for each length. The losses are least squares, as
in Eq. 2.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import count_steps, length_mask


class WindowDiscriminator(nn.Module):
    """Scores one window of log-mel, by three convolutions of stride 2."""

    def __init__(self, frames, n_mels, channels, dropout):
        super().__init__()
        self.frames = frames
        layers, width, height = [], frames, n_mels
        for place in range(3):
            layers += [
                nn.Conv2d(channels if place else 1, channels, 3, 2, 1),
                nn.LeakyReLU(0.2),
                nn.Dropout2d(dropout),
            ]
            if place < 2:
                layers.append(nn.BatchNorm2d(channels, eps=0.8))
            width, height = (width + 1) // 2, (height + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(channels * width * height, 1)

    def forward(self, window):
        """Windows [B, frames, n_mels] -> scores [B]."""
        x = self.layers(window.unsqueeze(1))
        return self.score(x.flatten(1)).squeeze(1)


class MelDiscriminator(nn.Module):
    """Discriminators for windows of several lengths.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    windows : list of int
        Frames of each window.
    channels : int
        Channels of each convolution.
    dropout : float
        Share of the channels that are dropped in training.

    Example
    -------
    >>> judge = MelDiscriminator(channels=4)
    >>> mel, lens = torch.randn(2, 150, 80), torch.tensor([1.0, 0.5])
    >>> starts = judge.draw_starts(mel, lens)
    >>> judge(mel, lens, starts).shape
    torch.Size([3, 2])
    """

    def __init__(
        self, n_mels=80, windows=(32, 64, 128), channels=128, dropout=0.25
    ):
        super().__init__()
        self.parts = nn.ModuleList(
            WindowDiscriminator(frames, n_mels, channels, dropout)
            for frames in windows
        )

    def draw_starts(self, mel, lens, generator=None):
        """Random starts of the windows of each utterance, int64 [W, B]."""
        frames = count_steps(lens.cpu(), mel.shape[1])
        place = torch.rand(
            len(self.parts), len(frames), generator=generator
        ).double()
        sizes = torch.tensor([[part.frames] for part in self.parts])
        room = (frames - sizes + 1).clamp(min=1)  # [W, B]
        return (place * room).long()

    def forward(self, mel, lens, starts):
        """Scores of windows, [W, B].

        ``mel`` is a log-mel [B, M, n_mels] with relative lengths [B]; zeros follow
        an utterance that is shorter than a window. ``starts``, int64 [W, B], are
        from :meth:`draw_starts`: the same for real and decoded mel.
        """
        longest = max(part.frames for part in self.parts)
        # Decoders put out anything where a batch is padded.
        real = length_mask(lens, mel.shape[1]).unsqueeze(-1)
        mel = F.pad(mel.masked_fill(~real, 0.0), (0, 0, 0, longest))
        scores = []
        for part, places in zip(self.parts, starts.tolist()):
            windows = [m[p : p + part.frames] for m, p in zip(mel, places)]
            scores.append(part(torch.stack(windows)))
        return torch.stack(scores)


def real_score_loss(scores):
    """Squared distance of scores to those of real mel, ||1 - D(A)||^2 (Eq. 2)."""
    return (1 - scores.float()).square().mean()


def discriminator_loss(real, decoded):
    """Loss of the discriminators: targets are 1 for real mel, 0 for decoded."""
    return real_score_loss(real) + decoded.float().square().mean()
