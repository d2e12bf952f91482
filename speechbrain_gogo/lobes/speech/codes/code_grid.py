"""Codes as points of a grid: embeddings and predictions by digit.

Not in the paper. FSQ's codes are the points of a small grid, 12,800 of them
with 8, 8, 8, 5 and 5 levels. Here a code is embedded as the sum of its digits,
and predicted digit by digit: 34 rows for the digits and 457 for their pairs
replace 12,800 rows. The product of these predictions is a distribution over all
codes, so sampling is the same as from any other language model. An output layer
of 12,800 rows would be more than half of the weights that a small model reads
in a pass.

Letters: C codes, J digits, L_j levels of digit j, the slowest one first.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class CodeGrid:
    """Digits of codes in the order of FSQ: the first dimension varies fastest.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the quantizer; ``[C]`` are codes without a
        grid.

    Example
    -------
    >>> grid = CodeGrid([4, 3])
    >>> grid.digits(torch.tensor([0, 5, 12])).tolist()  # 12 is m
    [[0, 0], [1, 1], [3, 4]]
    """

    def __init__(self, levels):
        self.levels = list(reversed(levels))
        self.size = math.prod(levels)

    def digits(self, codes):
        """Digits of codes int64 [...]: int64 [..., J].

        C and above is a missing token, whose digits are one past the last.
        """
        missing = codes >= self.size
        rest, found = codes, []
        for level in reversed(self.levels):
            found.append(torch.where(missing, level, rest % level))
            rest = rest // level
        return torch.stack(found[::-1], dim=-1)


class GridEmbedding(nn.Module):
    """Embedding of a group's tokens: the sum of one row per digit.

    Each position in the group has its own rows, so that the sum over a
    group depends on the order of its tokens.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the quantizer.
    num_tokens : int
        Positions K in a group.
    dim : int
        Width D.

    Example
    -------
    >>> GridEmbedding([4, 3], 5, 16)(torch.zeros(2, 5, dtype=int)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, levels, num_tokens, dim):
        super().__init__()
        self.grid = CodeGrid(levels)
        sizes = [level + 1 for level in self.grid.levels]  # one for m
        first = torch.tensor([0, *sizes[:-1]]).cumsum(0)  # [J]
        codes = torch.arange(self.grid.size + 1)  # the last one is m
        self.register_buffer(
            "digits", self.grid.digits(codes) + first, persistent=False
        )  # [C + 1, J]
        place = sum(sizes) * torch.arange(num_tokens)
        self.register_buffer(
            "places", place.unsqueeze(1), persistent=False
        )  # [K, 1], first rows of the positions
        self.rows = nn.Embedding(num_tokens * sum(sizes), dim)
        with torch.no_grad():
            self.rows.weight.copy_(self._first_rows(num_tokens, dim))

    def _first_rows(self, num_tokens, dim):
        """Initial rows, in which the levels of a digit lie on a line.

        Neighbouring codes on the grid sound similar.
        """
        rows = []
        for _ in range(num_tokens):
            for level in self.grid.levels:
                line = torch.randn(dim) * len(self.grid.levels) ** -0.5
                place = (
                    torch.linspace(-1, 1, level) if level > 1 else torch.ones(1)
                )
                place = place / place.square().mean().sqrt()
                rows += [place[:, None] * line, torch.zeros(1, dim)]  # m
        return torch.cat(rows)

    def forward(self, tokens):
        """Embed the first tokens of a group, int64 [..., T] -> [..., T, D]."""
        return self.rows(self.row_numbers(tokens)).sum(-2)

    def total(self, tokens):
        """The sum over the first tokens of a group, [..., T] -> [..., D]."""
        rows = self.row_numbers(tokens).flatten(-2)
        return self.rows(rows).sum(-2)

    def row_numbers(self, tokens, first=0):
        """Rows of the digits of tokens from position ``first`` on, int64 [..., T, J]."""
        known = tokens.clamp(max=self.grid.size)
        digits = F.embedding(known, self.digits)
        return digits + self.places[first : first + tokens.shape[-1]]


class GridOutput(nn.Module):
    """Distributions over codes from one score per digit and pair of digits.

    Digit j has the logits ``score_j + sum over i < j of pair_ij[digit i]``.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the quantizer.

    Example
    -------
    >>> output = GridOutput([4, 3])
    >>> scores = torch.randn(2, output.num_scores)
    >>> log_probs = output.log_probs(scores)
    >>> log_probs.shape, bool((log_probs.exp().sum(1) - 1).abs().max() < 1e-5)
    (torch.Size([2, 12]), True)
    >>> codes = torch.tensor([3, 11])
    >>> nll = output.nll(scores, codes)
    >>> bool((nll + log_probs[[0, 1], codes]).abs().max() < 1e-5)
    True
    """

    def __init__(self, levels):
        super().__init__()
        self.grid = CodeGrid(levels)
        sizes = self.grid.levels
        # Scores of the digits, then those of the pairs of each second digit.
        self.sizes = [
            *sizes,
            *(sum(sizes[:j]) * sizes[j] for j in range(1, len(sizes))),
        ]
        self.num_scores = sum(self.sizes)
        # Column d_0 .. d_(j-1) of matrix j has a one for each of these digits.
        chosen = [torch.zeros(0, 1)]
        for size in sizes[:-1]:
            before = chosen[-1].repeat_interleave(size, 1)
            own = torch.eye(size).repeat(1, chosen[-1].shape[1])
            chosen.append(torch.cat([before, own]))
        for j, matrix in enumerate(chosen):
            self.register_buffer(f"chosen_{j}", matrix, persistent=False)
        # Adds u(d) and c(r) to each (r, d) of the last two digits.
        digit, previous = sizes[-1], sizes[-2] if len(sizes) > 1 else 1
        table = torch.cat(
            [
                torch.eye(digit).repeat(1, previous),
                torch.eye(previous).repeat_interleave(digit, 1),
            ]
        )
        self.register_buffer("table", table, persistent=False)  # [d + r, r * d]

    def _split(self, scores):
        """Scores [P, any] by digit, [P, L_j], and by pair, [P, L_0 + .. + L_(j-1), L_j]."""
        sizes = self.grid.levels
        parts = scores.split_with_sizes(self.sizes, dim=-1)
        pairs = [
            part.view(len(part), part.shape[1] // size, size)
            for part, size in zip(parts[len(sizes) :], sizes[1:])
        ]
        return parts[: len(sizes)], [None, *pairs]

    def nll(self, scores, codes):
        """Negative log-likelihood of codes int64 [P], in nats, float32 [P].

        ``scores`` are [P, ``num_scores``].
        """
        digits = self.grid.digits(codes)  # [P, J]
        row = torch.arange(len(codes), device=codes.device)
        logits, pairs = self._split(scores.float())
        total = 0.0
        for j, own in enumerate(logits):
            first = 0  # row of digit i's level 0
            for i in range(j):
                own = own + pairs[j][row, first + digits[:, i]]  # [P, L_j]
                first += self.grid.levels[i]
            total = total + F.cross_entropy(own, digits[:, j], reduction="none")
        return total

    def log_probs(self, scores):
        """Scores [B, ``num_scores``] to log-probabilities of all codes, [B, C]."""
        logits, pairs = self._split(scores.float())
        total = logits[0].log_softmax(1)  # [B, L_0]
        last = len(logits) - 1
        for j in range(1, last):
            # Digit j comes before the others: the softmax of torch is slow
            # over a last dimension of few elements.
            own = self._given(j, logits[j], pairs[j])  # [B, L_j, L_0 * ..]
            total = (own.log_softmax(1) + total.unsqueeze(1)).mT.flatten(1)
        if last == 0:
            return total
        return self._with_last_digit(total, logits[last], pairs[last])

    def _given(self, j, logits, pairs):
        """Logits of a digit, given digits before it: [B, L, L_0 * .. * L_(j-1)].

        ``logits`` [B, L] are its own, ``pairs`` [B, L_0 + .. + L_(j-1), L] those
        of its pairs with the digits before digit j.
        """
        chosen = getattr(self, f"chosen_{j}").expand(len(logits), -1, -1)
        return torch.baddbmm(logits.unsqueeze(2), pairs.mT, chosen)

    def _with_last_digit(self, total, logits, pairs):
        """Log-probabilities of codes from those of all digits but the last.

        The logits of the last digit d are u(q, d) + v(r, d), r the digit before
        it and q the others. Then sum over d of exp(u + v) is a product of two
        small matrices, and so is the table of u(q, d) + v(r, d) + c(q, r), c the
        rest of the logarithm, since it is linear. In double precision the sum is
        neither zero nor infinite while u and v are within 350 of zero.
        """
        last = len(self.grid.levels) - 1
        size = self.grid.levels[last - 1]  # of r
        u = self._given(last - 1, logits, pairs[:, :-size])  # [B, d, q]
        v = pairs[:, -size:]  # [B, r, d]
        sums = torch.bmm(
            u.double().exp_().mT, v.double().exp_().mT
        )  # [B, q, r]
        rest = total.view_as(sums) - sums.log_().float()
        left = torch.cat([u.mT, rest], dim=2)  # [B, q, d + r]
        right = self.table.expand(len(left), -1, -1)  # [B, d + r, r * d]
        return torch.baddbmm(v.flatten(1).unsqueeze(1), left, right).flatten(1)
