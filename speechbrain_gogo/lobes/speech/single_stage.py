"""Replacements of Stage II for models whose Stage I generates all tokens.

With b = n_q GogoSpeech is a single stage (Tables 8 and 10): the backbone is the
complete group.
"""

from torch import nn


class NoDetailLM(nn.Module):
    """A Stage II without tokens to predict, for any number of positions.

    Arguments
    ---------
    num_tokens : int
        Tokens per group, n_q = b.

    Example
    -------
    >>> NoDetailLM(10).sequence_length(100)
    0
    """

    max_positions = 2**31
    group_positions = 1
    stage = 2

    def __init__(self, num_tokens):
        super().__init__()
        self.num_tokens = self.backbone_size = num_tokens

    def sequence_length(self, num_groups):
        """Positions of an utterance: none."""
        return 0


class NoDetailGenerator:
    """A ``DetailGenerator`` for complete groups."""

    def complete(self, backbone, budgets):
        """Tokens [B, K] of the next group: its backbone [B, b], b = K."""
        return backbone
