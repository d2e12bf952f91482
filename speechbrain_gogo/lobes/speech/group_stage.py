"""What both stages of one large pass per group have in common.

The stages are in group_stage1.py and group_stage2.py, their state during
generation in group_state.py.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.speech.decoding.weights import Dense
from speechbrain_gogo.lobes.speech.group_state import GroupDecoder


class GroupStage(nn.Module):
    """A stage with a Llama, ``llama``, and a DepthNetwork, ``depth``."""

    group_positions = 1

    def decoder(self, batch, max_length, compiled=False, linear=Dense):
        """Memory and weights for generation, to be used again.

        Arguments
        ---------
        batch : int
            Sequences.
        max_length : int
            Positions, left padding included.
        compiled : bool
            Without meaning here: large passes are too few to be compiled.
        linear : callable
            As of CachedLlama.

        Returns
        -------
        GroupDecoder
        """
        return GroupDecoder(self, batch, max_length, linear)

    def log_probs(self, hidden, tokens, depth=None):
        """Log-probabilities of the next token.

        Arguments
        ---------
        hidden : torch.Tensor
            Of the group, [B, D].
        tokens : torch.Tensor
            Of the group so far, int64 [B, T].
        depth : DepthSteps
            Computes instead of this stage's own network.

        Returns
        -------
        torch.Tensor
            [B, C].
        """
        return (depth or self.depth).log_probs(hidden, tokens)


def causal_mask(kept):
    """Which positions of a padded sequence see which.

    Arguments
    ---------
    kept : torch.Tensor
        bool [B, S], which positions are no padding.

    Returns
    -------
    torch.Tensor
        bool [B, 1, S, S]: earlier ones that are kept, and itself, since a row
        without any key gives NaN.

    Example
    -------
    >>> causal_mask(torch.tensor([[False, True, True]]))[0, 0].int()
    tensor([[1, 0, 0],
            [0, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """
    place = torch.arange(kept.shape[1], device=kept.device)
    earlier = place <= place.unsqueeze(1)  # [S, S]
    itself = place == place.unsqueeze(1)
    return ((earlier & kept.unsqueeze(1)) | itself).unsqueeze(1)
