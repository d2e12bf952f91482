"""State of a stage with an explicit alignment, during generation.

The letters of each group and the end of speech follow from the predicted
durations, so they are known before the first group.

Letters: B batch, L text ids, N groups of the prompt, G groups in all, F frames
per group, D width.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.aligned.durations import places_at
from speechbrain_gogo.lobes.speech.group_state import GroupState

# Logit of an impossible token; finite, so that guidance stays finite.
FAR = -1e4


class AlignedState(GroupState):
    """State of :class:`AlignedBackboneLM` during generation.

    Arguments
    ---------
    lm : AlignedBackboneLM
        In evaluation mode.
    sampler : Sampler
        Sampler with one seed for each utterance.
    text, text_lens, prompt, prompt_lens, said
        As in ``AlignedBackboneLM.start``.
    guidance : float
        As in GroupState.
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
        halves = 2 if guidance else 1  # the second half has no text
        text, text_lens = (x.chunk(halves)[0] for x in (text, text_lens))
        real = length_mask(prompt_lens, prompt.shape[1])
        self.encoded, self.lengths = lm.text(text, text_lens)
        heard = prompt.chunk(halves)[0], real.chunk(halves)[0]
        self.places, self.last = self._plan(lm, text, *heard, said)
        if guidance:  # without text, all places read the same; one end for both
            mute = lm.text.no_text.expand_as(self.encoded)
            self.encoded = torch.cat([self.encoded, mute.to(self.encoded)])
            self.places = self.places.repeat(2, 1, 1)
            self.last = self.last.repeat(2)
        backbone = prompt[..., : lm.backbone_size]
        places = self.places[:, : backbone.shape[1] + 1]
        x, position = lm.sequence(backbone, self.encoded, places)
        kept = F.pad(real, (1, 0), value=True)
        sequence = x, position, kept
        super().__init__(lm, sampler, sequence, backbone, real, guidance)
        self.count = real.sum(1)  # [B], groups so far
        places = self.places[:, : int(self.last.max()) + 1]
        self.said = lm.said(self.encoded, places)  # [B, G, D]

    def _plan(self, lm, text, prompt, real, said):
        """Text positions of all frames, and the number of groups.

        int64 [B, G, F], constant after the end, and int64 [B].
        """
        frames, count = lm.aligner.frames, prompt.shape[1]
        durations = lm.durations.expected(self.encoded, self.lengths)
        if count:
            log_probs = lm.aligner(prompt, real)
            if said is None:
                said = lm.aligner.spoken(log_probs, real, text, self.lengths)
            before = lm.aligner.places(log_probs, real, text, said)
            spoken = torch.zeros_like(durations)  # frames of the prompt
            ones = lm.aligner.real_frames(real).float()
            spoken.scatter_add_(1, before.flatten(1), ones)
            durations = _after_prompt(durations, spoken, said, lm.pace_range)
        places = places_at(durations, frames * lm.max_positions)
        places = torch.minimum(places, self.lengths.unsqueeze(1))
        places = places.unflatten(1, (-1, frames))  # [B, G, F]
        if count:
            given = real.unsqueeze(-1)
            places[:, :count] = torch.where(given, before, places[:, :count])
        has_text = self.lengths > 0  # without text, speech continues
        last = (durations.sum(1).round() / frames).ceil().long()
        last = torch.where(has_text, last, lm.max_positions)
        return places, torch.maximum(last, real.sum(1) + has_text)

    def log_probs(self):
        """Log-probabilities of the next token, at first also of the end."""
        found = super().log_probs()
        if self.group.shape[1]:
            return found
        ended = (self.count >= self.last).unsqueeze(1)  # [B, 1]
        end = torch.where(ended, 0.0, FAR)
        return torch.cat([found.masked_fill(ended, FAR), end], dim=1)

    def group_inputs(self):
        """Input of the next pass: the preceding group and the text of the next."""
        self.count = self.count + 1
        row = torch.arange(len(self.count), device=self.count.device)
        last = self.said.shape[1] - 1
        said = self.said[row, self.count.clamp(max=last)]
        return super().group_inputs() + said


def _after_prompt(durations, spoken, said, pace_range):
    """Durations of a text [B, L + 1] after a prompt that pronounces its beginning.

    Letters of the prompt have its own durations, ``spoken``; the last one is
    continued in the target.
    """
    place = torch.arange(durations.shape[1], device=said.device)
    said = said.unsqueeze(1)
    # The silence before the first letter and the last letter are not
    # representative.
    inner = (place > 0) & (place < said)
    usual = (durations * inner).sum(1, keepdim=True)
    pace = (spoken * inner).sum(1, keepdim=True) / usual.clamp(min=1e-3)
    pace = torch.where(usual > 0, pace.clamp(*pace_range), 1.0)
    rest = (durations * pace - spoken).clamp(min=0)
    return torch.where(place < said, spoken, spoken + rest)


def at(encoded, place):
    """Vectors [B, S, D] of positions int64 [B, S] in an encoded text [B, L + 1, D]."""
    index = place.unsqueeze(-1).expand(-1, -1, encoded.shape[2])
    return encoded.gather(1, index)
