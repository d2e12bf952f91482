"""The encoder of the frame-wise baselines (Section 5.2, Table 2, Table 10).

"We remove the grouping operation in Gogo": the whole utterance is one
sequence, every frame attends to all others, and each g mel frames become one
feature. Stem, blocks and sizes are those of the group encoder.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.encoder.group_encoder import ConvNeXtV2Block
from speechbrain_gogo.lobes.nn.llama import Llama


class FrameEncoder(nn.Module):
    """Mel frames of utterances to one feature per g frames.

    A group of the group encoder's interface is here a frame of g mel frames.

    Letters: B batch, N frames, g mel frames in each, d mel bins, M real
    frames of a batch, D width.

    Arguments
    ---------
    n_mels, dim, num_layers, num_heads, ffn_dim, stem_layers : int
        As in :class:`~speechbrain_gogo.lobes.gogo.encoder.group_encoder.GroupEncoder`.
    group_size : int
        Mel frames per feature, g.

    Example
    -------
    >>> encoder = FrameEncoder(10, 2, 16, 2, 2, 32)
    >>> real = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    >>> encoder.encode_batch(torch.randn(2, 5, 2, 10), real).shape
    torch.Size([8, 1, 16])
    """

    num_queries = 1  # features of each frame

    def __init__(
        self,
        n_mels=100,
        group_size=2,
        dim=512,
        num_layers=12,
        num_heads=8,
        ffn_dim=1536,
        stem_layers=4,
    ):
        super().__init__()
        self.group_size = group_size
        self.dim = dim
        self.stem = nn.ModuleList(
            [ConvNeXtV2Block(n_mels) for _ in range(stem_layers)]
        )
        self.project = nn.Sequential(
            nn.Linear(group_size * n_mels, dim), nn.GELU(), nn.Linear(dim, dim)
        )
        self.transformer = Llama(dim, num_layers, num_heads, ffn_dim)

    def forward(self, groups, real):
        """Features [B, N, D] of groups [B, N, g, d]; padding changes nothing.

        ``real``, bool [B, N], is False for padding.
        """
        g = self.group_size
        mel_real = real.repeat_interleave(g, dim=1).unsqueeze(-1)  # [B, N g, 1]
        mel_real = mel_real.to(groups)
        x = groups.flatten(1, 2) * mel_real  # [B, N * g, d]
        for block in self.stem:
            x = block(x, mel_real)
        x = self.project(x.unflatten(1, (-1, g)).flatten(2))  # [B, N, D]
        # All positions attend to real frames; padding also to itself, or it
        # would have nothing to attend to.
        mask = real[:, None, None] | torch.eye(
            real.shape[1], dtype=torch.bool, device=real.device
        )  # [B, 1, N, N]
        return self.transformer(x, mask)

    def encode_batch(self, groups, real, num_queries=None):
        """Features [M, 1, D] of the real frames, in the order of ``groups[real]``.

        There is one for each frame, whatever ``num_queries``.
        """
        del num_queries
        return self(groups, real)[real].unsqueeze(1)

    def split(self, groups, real, size):
        """As in IndependentGroups, in parts of whole utterances, at least one."""
        rows = max(1, size // groups.shape[1])
        for part, part_real in zip(groups.split(rows), real.split(rows)):
            if part_real.any():
                yield part, part_real
