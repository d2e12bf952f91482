"""Groups of tokens as frames for recognition networks.

The group rate of 4.7 Hz suits a language model, but is too low for CTC, which
needs more frames than characters (13 per second). A learned map unfolds the
tokens of a group into frames in time; the number of frames does not depend on
the number of tokens. This is not in the paper: it is for recipes that take
tokens instead of mel frames.
"""

from torch import nn
from torch.nn import functional as F


class GroupFrames(nn.Module):
    """Unfolds the embedded tokens of each group into frames.

    Relative lengths stay the same. A frame depends on its own group only; the
    following network has the context.

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
        Dimension to which each embedding is projected first. It may be small:
        codes of FSQ have 5 dimensions, whatever H is.
    group_dropout : float
        Share of the groups that are set to zero in training.

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
