"""Groups of tokens as frames for networks that listen.

A group comes 4.7 times a second: fine for a language model, too slow for CTC,
which needs more frames than there are characters (13 a second). The tokens of
a group say what happens within it, so they can be unfolded in time: here, by
a learned map, into the same number of frames whatever the number of tokens.
Not of the paper: it is for recipes that use tokens where others use mels.
"""

from torch import nn
from torch.nn import functional as F


class GroupFrames(nn.Module):
    """Unfolds the embedded tokens of each group into frames.

    Relative lengths stay what they are. A frame knows its own group only;
    the network that follows brings groups together.

    Letters: B batch, N groups, K tokens per group, H dimension of a token's
    embedding, r frames per group, D dimension of a frame.

    Arguments
    ---------
    num_codebooks : int
        Tokens per group, K.
    embedding_dim : int
        H, such as that of ``GogoTokenizer.embeddings``.
    dim : int
        D.
    frames_per_group : int
        r; 4.6875 r frames a second.
    token_dim : int
        To which each embedding is projected first: a code has 5 dimensions,
        however many its embedding has.
    group_dropout : float
        Share of the groups that are blanked in training.

    Example
    -------
    >>> import torch
    >>> frames = GroupFrames(3, 16, dim=8, frames_per_group=6)
    >>> frames(torch.randn(2, 5, 3, 16)).shape
    torch.Size([2, 30, 8])
    """

    def __init__(
        self,
        num_codebooks,
        embedding_dim,
        dim,
        frames_per_group=1,
        token_dim=32,
        group_dropout=0.0,
    ):
        super().__init__()
        self.frames_per_group = frames_per_group
        self.group_dropout = group_dropout
        self.squeeze = nn.Linear(embedding_dim, token_dim)
        self.unfold = nn.Sequential(
            nn.LayerNorm(num_codebooks * token_dim),
            nn.Linear(num_codebooks * token_dim, frames_per_group * dim),
            nn.GELU(),
        )

    def forward(self, embedded):
        """Embedded tokens [B, N, K, H] -> frames [B, N * r, D]."""
        x = self.squeeze(embedded).flatten(2)  # [B, N, K * token_dim]
        x = self.unfold(x)  # [B, N, r * D]
        kept = x.new_ones(*x.shape[:2], 1)
        x = x * F.dropout(kept, self.group_dropout, self.training)
        x = x.unflatten(2, (self.frames_per_group, -1))  # [B, N, r, D]
        return x.flatten(1, 2)
