"""The group encoder of Gogo (Section 3.1.1, Appendix C).

Each group of g mel frames passes four ConvNeXt V2 blocks and an MLP, then a
LLaMA-style Transformer together with n_q learnable queries. Frames see frames
only; query j sees every frame and the queries up to itself. Groups do not attend
to each other: they form one batch dimension.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.patches import check_patches, join_patches
from speechbrain_gogo.lobes.nn.attention import attend
from speechbrain_gogo.lobes.nn.llama_block import LlamaBlocks


def asymmetric_mask(group_size, n_q):
    """Attention mask within a group (Appendix C).

    Arguments
    ---------
    group_size : int
        Mel frames per group, g.
    n_q : int
        Queries per group.

    Returns
    -------
    torch.Tensor
        bool [g + n_q, g + n_q], rows attend to columns where True.

    Example
    -------
    >>> asymmetric_mask(2, 2).int().tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    """
    size = group_size + n_q
    mask = torch.ones(size, size, dtype=torch.bool).tril()
    mask[:group_size, :group_size] = True
    return mask


class GlobalResponseNorm(nn.Module):
    """Contrast between channels, over all frames of the input (ConvNeXt V2)."""

    def __init__(self, dim):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        """x [M, T, D] -> [M, T, D]."""
        # Not norm(), whose loop over a dimension in the middle takes 30 times
        # as long on a CPU.
        energy = x.float().square().sum(1, keepdim=True)  # [M, 1, D]
        energy = (energy + 1e-12).sqrt()  # with a gradient at 0
        relative = energy / (energy.mean(dim=-1, keepdim=True) + 1e-6)
        return self.scale * (x * relative.to(x)) + self.shift + x


class ConvNeXtV2Block(nn.Module):
    """Depthwise convolution, then an inverted bottleneck with response norm."""

    def __init__(self, dim):
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, 4 * dim)
        self.response_norm = GlobalResponseNorm(4 * dim)
        self.contract = nn.Linear(4 * dim, dim)

    def forward(self, x, real=None):
        """x [M, T, D] -> [M, T, D]; ``real`` [M, T, 1] is 0 in padding."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        y = F.gelu(self.expand(self.norm(y)))
        if real is not None:  # padding does not contribute to the response
            y = y * real
        y = x + self.contract(self.response_norm(y))
        return y if real is None else y * real


class PatchLinear(nn.Linear):
    """A linear layer over the concatenated frames of each patch."""

    def __init__(self, patch_size, n_mels, dim):
        super().__init__(patch_size * n_mels, dim)
        self.patch_size = patch_size

    def forward(self, x):
        """x [M, g, d] -> [M, P, D]."""
        return super().forward(join_patches(x, self.patch_size))


class IndependentGroups:
    """Batching for encoders that process groups independently.

    Encoders with a wider context have the same two methods.
    """

    def encode_batch(self, groups, real, num_queries=None):
        """Features of the real groups of a batch, [M, num_queries, D].

        Groups are mel frames [B, N, g, d], of which ``real``, bool [B, N], is False
        for padding; the result is in the order of ``groups[real]``. The first
        ``num_queries`` tokens are computed.
        """
        return self(groups[real], num_queries)

    def split(self, groups, real, size):
        """Parts of a batch that can be encoded one after the other.

        Yields groups and which of them are real, ``size`` groups at most, for
        :meth:`encode_batch`.
        """
        for part in groups[real].split(size):
            yield part.unsqueeze(0), real.new_ones(1, len(part))


class GroupEncoder(IndependentGroups, nn.Module):
    """Mel groups to one feature per query.

    In each layer frames attend to frames, and queries to both. The last layer
    updates queries only, since its frames are not used.

    Arguments
    ---------
    n_mels : int
        Mel bins d.
    group_size : int
        Frames per group, g.
    num_queries : int
        Tokens per group, n_q.
    dim : int
        Hidden dimension.
    num_layers : int
        Transformer layers.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.
    stem_layers : int
        ConvNeXt V2 blocks, at the width of the mel.
    patch_size : int
        Consecutive frames that share a position of the Transformer; 1 in the
        paper. Small models learn more per minute with larger patches.

    Raises
    ------
    ValueError
        If the patch size does not divide the group size.

    Example
    -------
    >>> encoder = GroupEncoder(10, 4, 3, 16, 2, 2, 32)
    >>> encoder(torch.randn(5, 4, 10)).shape
    torch.Size([5, 3, 16])
    """

    def __init__(
        self,
        n_mels=100,
        group_size=20,
        num_queries=10,
        dim=512,
        num_layers=12,
        num_heads=8,
        ffn_dim=1536,
        stem_layers=4,
        patch_size=1,
    ):
        super().__init__()
        check_patches(patch_size, group_size)
        self.group_size = group_size
        self.num_queries = num_queries
        self.dim = dim
        self.positions = group_size // patch_size  # P
        self.stem = nn.Sequential(
            *[ConvNeXtV2Block(n_mels) for _ in range(stem_layers)],
            PatchLinear(patch_size, n_mels, dim),
            nn.GELU(),
            nn.Linear(dim, dim),
        )
        # As large as the output of attention: smaller queries would all start,
        # and stay, as the same query.
        self.queries = nn.Parameter(torch.randn(num_queries, dim))
        self.transformer = LlamaBlocks(dim, num_layers, num_heads, ffn_dim)
        mask = asymmetric_mask(self.positions, num_queries)[self.positions :]
        self.register_buffer("query_mask", mask, persistent=False)

    def forward(self, groups, num_queries=None):
        """Encode groups [M, g, d], those of all utterances, each on its own.

        Gives features before quantization, [M, num_queries, dim]: of all tokens by
        default, else of the first ones. Tokens do not depend on later ones, so the
        result is the same.
        """
        count = self.num_queries if num_queries is None else num_queries
        size = self.positions
        queries = self.queries[:count].expand(groups.shape[0], -1, -1)
        x = torch.cat([self.stem(groups), queries], dim=1)  # [M, P + K, D]
        mask = self.query_mask[:count, : size + count]
        place = torch.arange(size + count, device=x.device)
        rope = self.transformer.rope(place)

        *layers, last = self.transformer.layers
        for layer in layers:
            q, k, v = layer.queries_keys_values(x, rope)
            frames = attend(*[part[:, :, :size] for part in (q, k, v)])
            queries = attend(q[:, :, size:], k, v, mask)
            x = layer.update(x, torch.cat([frames, queries], dim=1))
        q, k, v = last.queries_keys_values(x, rope, first=size)
        x = last.update(x[:, size:], attend(q, k, v, mask))
        return self.transformer.norm(x)
