"""Stage I with one large pass per group (an option, not the paper's).

The paper's stages read and predict token by token (Eq. 6, 7). Here a group is
one position, the sum of the embeddings of its tokens. A Llama reads one group
at a time, and the small network of depth.py predicts its tokens. That is a
third of the large passes of BackboneLM, over a shorter sequence. The interface
is that of stage1.py; Stage II of this kind is in group_stage2.py.

Letters: B batch, L text ids, S sequence, N groups, b tokens of the backbone,
P predicted groups, C codes, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import check_positions, length_mask
from speechbrain_gogo.lobes.nn.llama import causal_mask
from speechbrain_gogo.lobes.speech.group_stage import GroupStage1
from speechbrain_gogo.lobes.speech.group_state import GroupState
from speechbrain_gogo.lobes.speech.stage1 import text_and_start
from speechbrain_gogo.lobes.tokens.patterns import pack


class GroupBackboneLM(GroupStage1):
    """Stage I, group by group: [text][start][groups][end].

    Arguments
    ---------
    text_size : int
        Text ids.
    levels : list of int
        Levels of each dimension of the codec's quantizer; their product is C.
    backbone_size : int
        Tokens per group that this stage predicts, b.
    max_positions : int
        Longest sequence.
    group_stride : int
        Rotary positions per group. A small model learns the alignment sooner if
        text and speech advance at about the same speed: a group lasts .21 s,
        about three letters.
    **network
        Arguments of
        :class:`~speechbrain_gogo.lobes.speech.group_stage.GroupStage`.

    Example
    -------
    >>> lm = GroupBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text = torch.randint(50, (2, 6))
    >>> tokens = torch.randint(12, (2, 4, 10))
    >>> half = torch.tensor([1.0, 0.5])
    >>> out = lm(text, half, tokens, half)
    >>> out["loss"].shape, out["nll"].shape  # 4 * 3 + 2 * 3 codes, 2 ends
    (torch.Size([]), torch.Size([20]))
    """

    last_level = "end"  # name of the level after those of the tokens

    def __init__(
        self,
        text_size,
        levels,
        backbone_size=3,
        max_positions=256,
        group_stride=3,
        **network,
    ):
        super().__init__(levels, backbone_size, **network)
        self.sizes.update(
            text_size=text_size,
            max_positions=max_positions,
            group_stride=group_stride,
        )
        self.max_positions = max_positions
        self.group_stride = group_stride
        self.start_id = text_size
        self.end = nn.Linear(self.dim, 1)
        self.text = nn.Embedding(text_size + 1, self.dim)

    def sequence_length(self, text_length, num_groups):
        """Positions of utterances, start and end included, as in BackboneLM."""
        return text_length + num_groups + 2

    def prefix(self, text, text_lens):
        """Ids before the speech, int64 [B, S], padded on the left.

        The second result is how many of them are real, int64 [B].
        """
        before = text_and_start(text, text_lens, self.start_id)
        return pack(before, left=True)

    def forward(self, text, text_lens, tokens, lens):
        """Negative log-likelihood of the backbone (Eq. 6), as BackboneLM.forward."""
        backbone = tokens[..., : self.backbone_size]  # [B, N, b]
        real = length_mask(lens, tokens.shape[1])  # [B, N]
        x, position, kept = self.sequence(text, text_lens, backbone, real)
        check_positions(int(kept.sum(1).max()) + 1, self.max_positions)
        hidden = self.llama(x, causal_mask(kept), position)
        hidden = hidden[:, -1 - tokens.shape[1] :]  # [B, 1 + N, D]
        last = real.sum(1)  # of the groups, after which the end comes
        at_end = hidden[torch.arange(len(hidden), device=x.device), last]
        hidden = hidden[:, :-1][real]  # [P, D]
        nll = self.depth.nll(hidden, backbone[real])  # [P, b]
        # The first token of a group also predicts that speech continues.
        continues = F.softplus(self.end(hidden).float())  # [P, 1]
        ended = F.softplus(-self.end(at_end).float()).flatten()  # [B]
        nll = torch.cat([nll[:, :1] + continues, nll[:, 1:]], dim=1)
        level = torch.arange(self.backbone_size, device=nll.device)
        level = level.expand_as(nll).flatten()
        nll = torch.cat([nll.flatten(), ended])
        ends = level.new_full(ended.shape, self.backbone_size)
        level = torch.cat([level, ends])
        return {"loss": nll.mean(), "nll": nll, "level": level}

    def sequence(self, text, text_lens, backbone, real):
        """Input of the Llama up to the end of the speech.

        ``backbone`` is int64 [B, N, b], ``real`` bool [B, N], which groups an
        utterance has.

        Returns
        -------
        tuple of torch.Tensor
            Vectors [B, S, D], rotary positions int64 [B, S], and bool [B, S],
            which of them are real. The groups are the last N.
        """
        ids, used = self.prefix(text, text_lens)
        place = torch.arange(ids.shape[1], device=ids.device)
        padding = ids.shape[1] - used.unsqueeze(1)  # [B, 1]
        after = torch.arange(backbone.shape[1], device=ids.device)
        after = used.unsqueeze(1) + self.group_stride * after  # [B, N]
        position = torch.cat([(place - padding).clamp(min=0), after], dim=1)
        x = torch.cat([self.text(ids), self.groups.total(backbone)], dim=1)
        return x, position, torch.cat([place >= padding, real], dim=1)

    def start(
        self,
        text,
        text_lens,
        prompt,
        prompt_lens,
        sampler,
        guidance=0,
        said=None,
    ):
        """The initial state of generation, as BackboneLM.start."""
        prompt = prompt[..., : self.backbone_size]
        real = length_mask(prompt_lens, prompt.shape[1])
        sequence = self.sequence(text, text_lens, prompt, real)
        return GroupState(self, sampler, sequence, prompt, real, guidance)

    def log_probs(self, hidden, tokens, depth):
        """As in GroupStage; of a group's first token [B, C + 1], also of the end."""
        found = super().log_probs(hidden, tokens, depth)
        if tokens.shape[1]:
            return found
        end = self.end(hidden).float()
        return torch.cat([found - F.softplus(end), -F.softplus(-end)], dim=1)
