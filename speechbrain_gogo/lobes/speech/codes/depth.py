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
    >>> depth.log_probs(group, tokens[:, :3]).shape  # of the fourth
    torch.Size([7, 12])
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

    def log_probs(self, group, tokens):
        """Log-probabilities of the next token of each group, float32 [P, C].

        From vectors of groups [P, D] and the tokens so far, int64 [P, first or
        more].
        """
        place = tokens.shape[1] - self.first
        before = self.tokens.total(tokens)
        x = self.run_blocks(group + before + self.places[place])
        return self.output.log_probs(F.linear(x, self.heads[place]))

    def run_blocks(self, x):
        """Residual blocks and a norm, [..., D] -> [..., D]."""
        for norm, block in zip(self.norms, self.blocks):
            x = x + block(norm(x))
        return self.norms[-1](x)


class DepthSteps:
    """The network, one token at a time with fused weights.

    Arguments
    ---------
    depth : DepthNetwork
        In evaluation mode. Its weights are fused in place.
    linear : callable
        As in LlamaWeights.of.

    Example
    -------
    >>> depth = DepthNetwork([4, 3], 5, 2, 16, 1, 32).eval()
    >>> group, tokens = torch.randn(7, 16), torch.randint(12, (7, 3))
    >>> found = DepthSteps(depth).log_probs(group, tokens)
    >>> bool((found - depth.log_probs(group, tokens)).abs().max() < 1e-5)
    True
    """

    def __init__(self, depth, linear=Dense):
        self.depth = depth
        self.norms = [Norm(norm.weight, norm.eps) for norm in depth.norms]
        self.blocks = [
            (
                linear(fuse([block.gate_proj, block.up_proj])),
                linear(block.down_proj.weight),
            )
            for block in depth.blocks
        ]
        self.heads = [linear(head) for head in depth.heads]

    @torch.inference_mode()
    def log_probs(self, group, tokens):
        """As :meth:`DepthNetwork.log_probs`."""
        depth = self.depth
        place = tokens.shape[1] - depth.first
        x = group + depth.tokens.total(tokens) + depth.places[place]
        for norm, (gate_up, down) in zip(self.norms, self.blocks):
            gate, up = gate_up(norm(x)).chunk(2, -1)
            x = x + down(F.silu(gate).mul_(up))
        scores = self.heads[place](self.norms[-1](x))
        return depth.output.log_probs(scores)
