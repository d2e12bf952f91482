"""A small network that predicts the tokens within a group one by one.

One pass of a large model per group gives a vector. Each token of the group is
predicted from it and the preceding tokens. Moshi (Defossez et al. 2024) and
RQ-Transformers (Lee et al. 2022) use a small transformer for this. A group has
ten tokens at most, and each position has embeddings of its own, so the sum of
embeddings represents all previous tokens, and no attention is needed.

Letters: P groups, K tokens per group, J digits of a code, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.llama_block import RMSNorm, SwiGLU
from speechbrain_gogo.lobes.speech.codes.code_grid import (
    GridEmbedding,
    GridOutput,
)
from speechbrain_gogo.lobes.speech.decoding.weights import Dense, Norm, fuse


class DepthNetwork(nn.Module):
    """Predicts tokens ``first`` to K - 1 of groups.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the quantizer.
    num_tokens : int
        Tokens per group K.
    first : int
        Number of given tokens.
    dim : int
        Width D.
    num_layers : int
        Blocks.
    ffn_dim : int
        Width inside a block.

    Example
    -------
    >>> depth = DepthNetwork([4, 3], 5, 2, 16, 1, 32)
    >>> group, tokens = torch.randn(7, 16), torch.randint(12, (7, 5))
    >>> depth.nll(group, tokens).shape
    torch.Size([7, 3])
    """

    def __init__(self, levels, num_tokens, first, dim, num_layers, ffn_dim):
        super().__init__()
        self.first = first
        self.output = GridOutput(levels)
        self.tokens = GridEmbedding(levels, num_tokens, dim)
        predicted = num_tokens - first
        self.places = nn.Parameter(torch.zeros(predicted, dim))
        self.norms = nn.ModuleList(RMSNorm(dim) for _ in range(num_layers + 1))
        self.blocks = nn.ModuleList(
            SwiGLU(dim, ffn_dim) for _ in range(num_layers)
        )
        rows = self.output.num_scores
        self.heads = nn.Parameter(torch.empty(predicted, rows, dim))
        nn.init.normal_(self.heads, std=0.1 * dim**-0.5)

    def nll(self, group, tokens):
        """Negative log-likelihood of the tokens that are predicted.

        Vectors of groups [P, D] and tokens int64 [P, K], C (the number of codes)
        for a missing one -> float32 [P, K - first], undefined for missing ones.
        """
        before = self.tokens(tokens).cumsum(1)  # [P, K, D]
        before = F.pad(before, (0, 0, 1, -1))[:, self.first :]
        x = self.run_blocks(group.unsqueeze(1) + before + self.places)
        scores = torch.einsum("pkd,krd->pkr", x, self.heads)
        # The digits of a missing token are out of range.
        known = tokens[:, self.first :].clamp(max=self.output.grid.size - 1)
        nll = self.output.nll(scores.flatten(0, 1), known.flatten())
        return nll.view_as(known)

    def run_blocks(self, x):
        """Residual blocks and a norm, [..., D] -> [..., D]."""
        for norm, block in zip(self.norms, self.blocks):
            x = x + block(norm(x))
        return self.norms[-1](x)


class DepthSteps:
    """The network, one token at a time with fused weights.

    The first block reads a sum: of the group's vector, of rows of its tokens,
    and of a row of the place. Its norm scales this sum, so the products of the
    rows with its first matrix are computed once, here, and are summed up, too.

    Arguments
    ---------
    depth : DepthNetwork
        In evaluation mode. Its weights are fused in place; later changes of
        them have no effect on the products.
    linear : callable
        As in LlamaWeights.of.

    Example
    -------
    >>> depth = DepthNetwork([4, 3], 5, 2, 16, 1, 32).eval()
    >>> group, tokens = torch.randn(7, 16), torch.randint(12, (7, 5))
    >>> steps = DepthSteps(depth).start(group)
    >>> found = steps.log_probs(tokens[:, :3]), steps.log_probs(tokens[:, :4])
    >>> nll = -found[1].gather(1, tokens[:, 4:])
    >>> bool((nll - depth.nll(group, tokens)[:, 2:]).abs().max() < 1e-5)
    True
    """

    @torch.no_grad()
    def __init__(self, depth, linear=Dense):
        self.depth = depth
        self.norms = [Norm(norm.weight, norm.eps) for norm in depth.norms]
        gate_up = [
            fuse([block.gate_proj, block.up_proj]) for block in depth.blocks
        ]
        self.gate_up = [linear(weight) for weight in gate_up]
        self.down = [linear(block.down_proj.weight) for block in depth.blocks]
        self.heads = [linear(head) for head in depth.heads]

        def with_products(rows):  # [..., D] -> float32 [..., D + E]
            scaled = rows.float() * depth.norms[0].weight.float()
            products = scaled @ gate_up[0].float().T
            return torch.cat([rows.float(), products], dim=-1)

        self.rows = with_products(depth.tokens.rows.weight)
        self.places = list(with_products(depth.places))

    def start(self, group):
        """The :class:`GroupSteps` of vectors of groups [B, D]."""
        products = self.gate_up[0](group * self.norms[0].weight)
        return GroupSteps(self, torch.cat([group, products], dim=1).float())

    def added(self, tokens, first):
        """What tokens int64 [B, T] from position ``first`` add, [B, D + E]."""
        rows = self.depth.tokens.row_numbers(tokens, first)
        return F.embedding(rows.flatten(1), self.rows).sum(1)

    def log_probs(self, total, place):
        """Sums [B, D + E] to log-probabilities of the token at a place, [B, C]."""
        norm = self.norms[0]
        width = len(norm.weight)
        total = total + self.places[place]
        x, hidden = total.split([width, total.shape[1] - width], dim=1)
        hidden = (hidden * norm.scale(x)).to(norm.weight)
        x = self._add_block(x.to(norm.weight), hidden, self.down[0])
        for index in range(1, len(self.down)):
            hidden = self.gate_up[index](self.norms[index](x))
            x = self._add_block(x, hidden, self.down[index])
        scores = self.heads[place](self.norms[-1](x))
        return self.depth.output.log_probs(scores)

    def _add_block(self, x, hidden, down):
        """The rest of a block, after its first matrix."""
        gate, up = hidden.chunk(2, -1)
        return x + down(F.silu(gate).mul_(up))


class GroupSteps:
    """Tokens of a group, which are summed up as they come.

    Arguments
    ---------
    steps : DepthSteps
        The network.
    total : torch.Tensor
        Sum of the group before its first token, [B, D + E].
    """

    def __init__(self, steps, total):
        self.steps, self.total, self.count = steps, total, 0

    @torch.inference_mode()
    def log_probs(self, tokens):
        """Log-probabilities of the next token, float32 [B, C].

        ``tokens``, int64 [B, first or more], are those of the previous call and
        further ones.
        """
        new = tokens[:, self.count :]
        if new.shape[1]:
            self.total = self.total + self.steps.added(new, self.count)
            self.count = tokens.shape[1]
        place = self.count - self.steps.depth.first
        return self.steps.log_probs(self.total, place)
