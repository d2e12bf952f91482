"""What stands in the place of Stage II when Stage I speaks all tokens.

With b = n_q GogoSpeech is a single stage (Tables 8 and 10): a group is
complete as soon as its backbone is there.
"""

from torch import nn


class NoDetail(nn.Module):
    """A Stage II that has nothing to say, and any number of positions.

    Arguments
    ---------
    num_tokens : int
        Tokens per group, n_q = b.

    Example
    -------
    >>> NoDetail(10).sequence_length(100)
    0
    """

    max_positions = 2**31

    def __init__(self, num_tokens):
        super().__init__()
        self.num_tokens = self.backbone_size = num_tokens

    def sequence_length(self, num_groups):
        """Positions that an utterance takes: none."""
        return 0


class NothingToFill:
    """A ``DetailFiller`` of groups that are complete."""

    def fill(self, backbone, budgets):
        """Tokens [B, K] of the next group: its backbone [B, b], b = K."""
        return backbone
