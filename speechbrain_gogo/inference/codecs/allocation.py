"""Token allocation in GogoCodec (Section 3.3).

The policy computes logits of the choices of each group, in chunks of groups, so
that memory is bounded. A bias on the logits of each utterance attains a target
rate.
"""

import torch

from speechbrain_gogo.inference.checks.settings import (
    check_lens,
    check_whole,
    is_number,
)
from speechbrain_gogo.lobes.nn.lengths import length_mask

CHUNK = 4096  # groups of one pass of the policy


class AllocatingCodec:
    """Budgets, for a codec whose modules may include an ``allocator``.

    It is a :class:`~speechbrain_gogo.lobes.allocator.policy.TokenAllocator`.
    """

    @torch.no_grad()
    def allocate(self, tokens, lens=None, target_rate=None, minimum=None):
        """Number of tokens of each group, from the model's allocator.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K]; the backbone, K = b, is enough.
        lens : torch.Tensor
            Relative lengths [B] over N.
        target_rate : float
            Highest average token rate of each utterance, in tokens per
            second; the allocator's choice by default.
        minimum : int
            Smallest budget, at least b.

        Returns
        -------
        torch.Tensor
            Budgets int64 [B, N], b..10, for ``keep=``; the smallest one
            beyond an utterance's end.

        Raises
        ------
        ValueError
            If the model has no allocator, the backbone is not whole, or
            tokens, lengths, the rate or the minimum are out of range.
        """
        if "allocator" not in self.mods:
            raise ValueError(
                f"'{self.name}' has no token allocator: train one into a copy "
                "of the model with recipes/LibriTTS/allocator, or keep as many "
                "tokens of every group."
            )
        allocator = self.mods.allocator
        tokens = self._read_tokens(tokens)
        real = torch.ones(tokens.shape[:2], device=tokens.device).bool()
        if lens is not None:
            lens = check_lens(lens, *real.shape, "lens", tokens.device)
            real = length_mask(lens, real.shape[1])
        smallest = allocator.backbone_size
        if minimum is not None:
            smallest = check_whole(minimum, "minimum")
        check_backbone(tokens, real, allocator.backbone_size, self.mask_id)
        check_rate(target_rate, smallest, self.num_codebooks, self.group_rate)
        with self.own_precision():
            logits = self._logits(tokens[..., : allocator.backbone_size])
        bias = 0.0
        if target_rate is not None:
            target = target_rate / self.group_rate
            bias = allocator.solve_bias(logits, real, target, smallest)
        budgets = allocator.choose(logits, bias, smallest)
        return torch.where(real, budgets, smallest)

    def _logits(self, backbones):
        """Logits [B, N, G] of backbone tokens [B, N, b]."""
        rows = backbones.flatten(0, 1).unsqueeze(0)  # [1, B * N, b]
        logits = [
            self.mods.allocator(self.codec.embed(chunk)).float()
            for chunk in rows.split(CHUNK, dim=1)
        ]
        return torch.cat(logits, dim=1).view(*backbones.shape[:2], -1)


def check_backbone(tokens, real, size, mask_id):
    """Raise an error if groups lack some of the first ``size`` tokens.

    ``tokens`` are [B, N, K]; only the groups in ``real``, bool [B, N], are
    checked.
    """
    if tokens.shape[2] < size:
        raise ValueError(
            f"Budgets depend on the first {size} tokens of each group; here "
            f"are {tokens.shape[2]}."
        )
    masked = (tokens[..., :size] == mask_id).any(-1) & real
    if masked.any():
        place = masked.nonzero()[0].tolist()
        raise ValueError(
            f"The backbone of [utterance, group] = {place} has a masked "
            f"token: budgets follow from all of the first {size}."
        )


def check_rate(target_rate, smallest, largest, group_rate):
    """Raise an error for a rate in Hz outside those of budgets smallest..largest."""
    low, high = smallest * group_rate, largest * group_rate
    if target_rate is None:
        return
    if not (is_number(target_rate) and low <= target_rate <= high):
        raise ValueError(
            f"target_rate={target_rate} is outside {low:.4g}..{high:.4g} "
            f"tokens per second, what {smallest} to {largest} tokens per "
            "group are."
        )
