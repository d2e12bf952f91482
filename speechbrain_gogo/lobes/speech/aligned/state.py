"""State of a stage that knows its place in the text, during generation.

Before the tokens of a group come the letters that it says: their number, the
advance, is sampled from the hidden state of the group's large pass.

Letters: B batch, L text ids, N groups, S places, D width.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.group_state import GroupState


class AlignedState(GroupState):
    """State of :class:`AlignedBackboneLM` during generation.

    Arguments
    ---------
    lm : AlignedBackboneLM
        In evaluation mode.
    sampler : Sampler
        With one seed for each utterance.
    text, text_lens, prompt, prompt_lens, said
        As of ``AlignedBackboneLM.start``.
    guidance : float
        As of GroupState.
    """

    def __init__(
        self,
        lm,
        sampler,
        text,
        text_lens,
        prompt,
        prompt_lens,
        guidance,
        said=None,
    ):
        self.guidance = guidance
        self.encoded, self.lengths = lm.text(text, text_lens)
        real = length_mask(prompt_lens, prompt.shape[1])
        place = self._places(lm, text, prompt, real, said)
        backbone = prompt[..., : lm.backbone_size]
        sequence = lm.sequence(backbone, real, at(self.encoded, place))
        super().__init__(lm, sampler, sequence, backbone, real, guidance)
        self.place = place[:, -1]  # [B]
        self.advances = sampler.another()

    def _places(self, lm, text, prompt, real, said):
        """Places before each group and after the last one, int64 [B, N + 1]."""
        if not prompt.shape[1]:
            return text.new_zeros(len(text), 1)
        log_probs = lm.aligner(prompt, real)
        if said is None:
            said = lm.aligner.spoken(log_probs, real, text, self.lengths)
        elif self.guidance:  # the second half has no text
            said = torch.cat([said, torch.zeros_like(said)])
        advances = lm.aligner.advances(log_probs, real, text, said)
        advances = advances.clamp(max=lm.most_letters)
        return F.pad(advances.cumsum(1), (1, 0))

    def begin_group(self, hidden, position):
        """Sample the advance of the next group."""
        lm, left = self.lm, self.lengths - self.place
        end = lm.end(hidden).float()  # [B, 1]
        self.end_score = end.masked_fill(left.unsqueeze(1) > 0, -torch.inf)
        scores = lm.advance(hidden).float()
        choice = torch.arange(scores.shape[1], device=scores.device)
        scores.masked_fill_(choice > left.unsqueeze(1), -torch.inf)
        count = len(scores) // 2 if self.guidance else len(scores)
        unseen = torch.zeros_like(scores[:count], dtype=torch.bool)
        advance = self.advances.draw(scores[:count], unseen, position)
        if self.guidance:
            advance = torch.cat([advance, torch.zeros_like(advance)])
        self.place = self.place + advance
        self.ahead = at(self.encoded, self.place.unsqueeze(1)).squeeze(1)
        return lm.after(hidden, self.ahead, advance)

    def log_probs(self):
        """Log-probabilities of the next token, at first also of the end."""
        found = super().log_probs()
        if self.group.shape[1]:
            return found
        end = self.end_score
        return torch.cat([found - F.softplus(end), -F.softplus(-end)], dim=1)

    def group_inputs(self):
        """What the next pass reads: the group before, and the text ahead."""
        return super().group_inputs() + self.ahead


def at(encoded, place):
    """Vectors of places in a text.

    Arguments
    ---------
    encoded : torch.Tensor
        [B, L + 1, D], of all places.
    place : torch.Tensor
        int64 [B, S].

    Returns
    -------
    torch.Tensor
        [B, S, D].
    """
    index = place.unsqueeze(-1).expand(-1, -1, encoded.shape[2])
    return encoded.gather(1, index)
