"""Stage II with one large pass per group (an option, not the paper's).

As in group_stage1.py, a group is one position: the sum of the preceding group
and the backbone of the next one. The small network of depth.py predicts the
other tokens. This takes a seventh of the large passes of DetailLM, over a
sequence ten times shorter. The interface is that of stage2.py.

Letters: B batch, N groups, b tokens of the backbone, K = n_q tokens per group,
P predicted groups, C codes, D width.
"""

import torch

from speechbrain_gogo.lobes.nn.lengths import check_positions, length_mask
from speechbrain_gogo.lobes.speech.codes.code_grid import GridEmbedding
from speechbrain_gogo.lobes.speech.group_stage import GroupStage
from speechbrain_gogo.lobes.speech.group_state import GroupState
from speechbrain_gogo.lobes.speech.stage2 import draw_budgets
from speechbrain_gogo.lobes.speech.token_stage import mean_nll
from speechbrain_gogo.lobes.tokens.granular import keep_prefix


class GroupDetailLM(GroupStage):
    """Stage II with one position per group.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension of the codec's quantizer; their product is C.
    num_tokens : int
        Tokens per group, n_q.
    backbone_size : int
        Number of given tokens of each group, from the first, b.
    max_positions : int
        Largest number of groups.
    full_share : float
        As in DetailLM.
    **network
        Arguments of
        :class:`~speechbrain_gogo.lobes.speech.group_stage.GroupStage`.

    Example
    -------
    >>> lm = GroupDetailLM([4, 3], dim=16, num_layers=1, num_heads=2)
    >>> tokens = torch.randint(12, (2, 4, 10))
    >>> out = lm.eval()(tokens, torch.tensor([1.0, 0.5]))
    >>> out["nll"].shape  # 4 * 7 + 2 * 7
    torch.Size([42])
    """

    stage = 2

    def __init__(
        self,
        levels,
        num_tokens=10,
        backbone_size=3,
        max_positions=128,
        full_share=0.5,
        **network,
    ):
        super().__init__(levels, num_tokens, backbone_size, **network)
        self.sizes.update(
            num_tokens=num_tokens,
            backbone_size=backbone_size,
            max_positions=max_positions,
        )
        self.num_tokens, self.backbone_size = num_tokens, backbone_size
        self.max_positions = max_positions
        self.full_share = full_share
        self.backbones = GridEmbedding(levels, backbone_size, self.dim)

    def sequence_length(self, num_groups):
        """Positions of an utterance."""
        return num_groups

    def forward(self, tokens, lens, budgets=None, generator=None):
        """Negative log-likelihood of the fine tokens (Eq. 7), as DetailLM.forward."""
        batch, groups, levels = tokens.shape
        check_positions(groups, self.max_positions)
        if budgets is None:
            budgets = draw_budgets(self, batch, groups, generator)
        given = keep_prefix(tokens, budgets, self.codebook_size)  # [B, N, K]
        real = length_mask(lens, groups)  # [B, N]
        x = self.sequence(given)
        hidden = self.llama(x)
        nll = self.depth.nll(hidden[real], given[real])  # [P, K - b]
        level = torch.arange(self.backbone_size, levels, device=x.device)
        predicted = given[real][:, self.backbone_size :] < self.codebook_size
        nll, level = nll[predicted], level.expand_as(nll)[predicted]
        return {"loss": mean_nll(nll), "nll": nll, "level": level}

    def sequence(self, tokens):
        """Input of the Llama: int64 [B, N, K] -> [B, N, D]."""
        before = torch.full_like(tokens[:, :1], self.codebook_size)
        before = torch.cat([before, tokens[:, :-1]], dim=1)
        b = self.backbone_size
        return self.groups.total(before) + self.backbones.total(tokens[..., :b])

    def start(self, prompt, prompt_lens, sampler):
        """The initial state of generation, as DetailLM.start."""
        real = length_mask(prompt_lens, prompt.shape[1])
        place = torch.arange(prompt.shape[1], device=prompt.device)
        sequence = self.sequence(prompt), place.expand(real.shape), real
        return GroupState(self, sampler, sequence, prompt, real)

    def group_inputs(self, before, given):
        """Input [B, D] of the pass for the next group.

        From the preceding group, int64 [B, K], and the backbone, int64 [B, b].
        """
        return self.groups.total(before) + self.backbones.total(given)
