"""The objective that teaches a flow to decode in few steps.

Self-consistency of shortcut models (Frans et al. 2024, arXiv 2410.12557): a
step learns to end where two steps of half its length end. The shortest steps
learn from the teacher, a flow with guidance, whose weights initialize the
student.

Letters: B batch, T frames, d mel bins, L levels: at level l a path has 2^l steps.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.flow.matching import sway
from speechbrain_gogo.lobes.nn.lengths import (
    length_mask,
    squared_error,
    unless_equal,
)


class Distillation(nn.Module):
    """Distillation loss of a codec's decoder; encoder and quantizer are frozen.

    Arguments
    ---------
    codec : Gogo
        The student; its flow is a
        :class:`~speechbrain_gogo.lobes.gogo.flow.few_step_flow.FewStepFlow`.
    teacher : ConditionalFlowMatching
        The flow whose sampling in 2^L steps the student learns, with its
        guidance.
    levels : int
        L.
    nested_dropout : callable
        Makes a :class:`NestedDropout` from ``num_levels`` and ``mask``; None
        trains with all tokens.
    teacher_share : float
        Share of the utterances whose step is of the shortest length, so that its
        target is the teacher's. The other lengths share the rest; with much of it
        the student forgets the teacher, since it is then its own teacher.

    Raises
    ------
    ValueError
        If student and teacher predict different things.
    """

    def __init__(
        self, codec, teacher, levels=5, nested_dropout=None, teacher_share=0.75
    ):
        super().__init__()
        if codec.flow.predict != teacher.predict:
            raise ValueError(
                f"The student predicts {codec.flow.predict}, the teacher "
                f"{teacher.predict}: make the student from this teacher."
            )
        codec.requires_grad_(False)
        codec.flow.requires_grad_(True)
        self.codec = codec
        self.teacher = teacher.requires_grad_(False)
        self.levels = levels
        self.teacher_share = teacher_share
        self.nested_dropout = None
        if nested_dropout is not None:
            make = nested_dropout
            self.nested_dropout = make(codec.num_codebooks, codec.mask)

    def forward(
        self, wavs, wav_lens, text=None, text_lens=None, generator=None
    ):
        """The loss of a batch.

        Arguments as in GogoObjective.forward; texts are not used.

        Returns
        -------
        dict
            "loss"; its parts "teacher" and "halves", the errors of the
            shortest steps and of the others; "tokens" int64 [M, K].
        """
        codec = self.codec
        with torch.no_grad():
            groups, lens = codec.group(wavs, wav_lens)
            q, _, tokens = codec.quantize_batch(groups, lens)
            if self.nested_dropout is not None:
                q, _ = self.nested_dropout(q, generator=generator)
            mel, cond = groups.flatten(1, 2), codec.align(q)
        errors, shortest = self.flow_loss(mel, cond, lens, generator)
        parts = {"teacher": shortest, "halves": ~shortest}
        losses = {  # a batch may have none of a kind
            name: (errors * of).sum() / of.sum().clamp(min=1)
            for name, of in parts.items()
        }
        return {"loss": errors.mean(), "tokens": tokens, **losses}

    def flow_loss(self, mel, cond, lens, generator=None):
        """Squared error of a randomly drawn step of each utterance.

        Arguments
        ---------
        mel : torch.Tensor
            Data x_1, [B, T, d].
        cond : torch.Tensor
            Condition, [B, T, D].
        lens : torch.Tensor
            Relative lengths [B].
        generator : torch.Generator
            Generator of levels, steps and noise, on the CPU.

        Returns
        -------
        tuple of torch.Tensor
            Errors [B], and which steps have the shortest length, bool [B].
        """
        batch, flow = len(mel), self.codec.flow
        mel, cond = flow.inputs(mel, cond, lens)
        lens = unless_equal(lens)
        mask = length_mask(lens, mel.shape[1])
        steps = 2 ** self.draw_levels(batch, generator)
        first = (torch.rand(batch, generator=generator) * steps).floor()
        places = (first + torch.tensor([[0.0], [0.5], [1.0]])) / steps
        times = sway(places, flow.sway_coefficient).to(mel)  # [3, B]
        noise = torch.randn(mel.shape, generator=generator).to(mel)
        x = torch.lerp(noise, mel, times[0, :, None, None])
        if mask is not None:
            x = x * mask.unsqueeze(-1)
        shortest = (steps == 2**self.levels).to(mel.device)
        target = self.targets(x, cond, times, mask, shortest)
        t, end = times[0], times[2]
        output = step_output(flow, x, cond, t, end - t, mask)
        if flow.predict == "data":
            target = x + (1 - t[:, None, None]) * target
        return squared_error(output, target, lens, "batch"), shortest

    def draw_levels(self, batch, generator=None):
        """Random levels of a batch, int64 [B], from 0 to L."""
        taught = torch.rand(batch, generator=generator) < self.teacher_share
        others = torch.randint(self.levels, (batch,), generator=generator)
        return torch.where(taught, self.levels, others)

    @torch.no_grad()
    def targets(self, x, cond, times, mask, shortest):
        """Target mean velocities of steps, [B, T, d].

        Arguments
        ---------
        x : torch.Tensor
            Starting points, [B, T, d].
        cond : torch.Tensor
            Condition, [B, T, D].
        times : torch.Tensor
            Start, middle and end of each, [3, B].
        mask : torch.Tensor
            bool [B, T], or None.
        shortest : torch.Tensor
            bool [B], steps whose target is the teacher's.
        """
        target = torch.empty_like(x)
        for ask, rows in ((self.ask, shortest), (self.halve, ~shortest)):
            if rows.any():
                seen = None if mask is None else mask[rows]
                found = ask(x[rows], cond[rows], times[:, rows], seen)
                target[rows] = found.to(target)
        return target

    def ask(self, x, cond, times, mask):
        """The teacher's velocities with guidance; arguments of targets."""
        flow, t = self.teacher, times[0]
        first, last = flow.guidance_interval
        scale = flow.guidance_scale * ((t >= first) & (t <= last))
        modulation = flow.backbone.modulation(t)
        outputs = [
            flow.backbone.velocity(
                x, flow.backbone.condition(given), modulation, mask
            ).float()  # bfloat16 with autocast
            for given in (cond, torch.zeros_like(cond))
        ]
        guided = torch.lerp(*outputs, -scale[:, None, None])
        return as_velocity(flow, guided, x, t)

    def halve(self, x, cond, times, mask):
        """The student's mean velocity of two steps of half the length."""
        flow = self.codec.flow
        start, lengths = x, times.diff(dim=0)  # [2, B]
        for t, length in zip(times, lengths):
            output = step_output(flow, x, cond, t, length, mask)
            x = x + length[:, None, None] * as_velocity(flow, output, x, t)
        return (x - start) / lengths.sum(0)[:, None, None]


def step_output(flow, x, cond, t, length, mask):
    """Prediction of a FewStepFlow's network for steps of lengths [B]."""
    net = flow.backbone
    return net.velocity(x, net.condition(cond), net.modulation(t, length), mask)


def as_velocity(flow, output, x, t):
    """A network's output as a velocity; x [B, T, d] and t [B] are its input."""
    if flow.predict == "velocity":
        return output
    return (output - x) / (1 - t[:, None, None])
