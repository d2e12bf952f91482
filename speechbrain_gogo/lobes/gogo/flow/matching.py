"""Conditional flow matching: the training loss and the sampler.

Section 3.1.2 (Eq. 3) and Appendix D of the Gogo paper. The flow wraps any
backbone with the three methods of :class:`~speechbrain_gogo.lobes.gogo.dit.DiT`
(``condition``, ``modulation``, ``velocity``) and ``n_mels``; it does not depend on mel or
tokens.

Letters: B batch, T frames, d channels, S flow steps.
"""

import math

import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.flow.solvers import (
    GRIDS,
    SOLVERS,
    evaluation_times,
)
from speechbrain_gogo.lobes.nn.lengths import (
    length_mask,
    squared_error,
    unless_equal,
)


def sway(t, coefficient=-1.0):
    """Sway sampling: spend more steps near the noise (F5-TTS).

    Arguments
    ---------
    t : torch.Tensor
        Times in [0, 1].
    coefficient : float
        s; negative values shift the steps towards t = 0.

    Returns
    -------
    torch.Tensor
        t + s (cos(pi/2 t) - 1 + t).

    Example
    -------
    >>> [round(t, 2) for t in sway(torch.tensor([0.0, 0.5, 1.0])).tolist()]
    [0.0, 0.29, 1.0]
    """
    return t + coefficient * (torch.cos(math.pi / 2 * t) - 1 + t)


class ConditionalFlowMatching(nn.Module):
    """Loss and sampler of the straight flow from noise to data (Eq. 3).

    Arguments
    ---------
    backbone : torch.nn.Module
        Predicts from (x_t, cond, t), see :class:`DiT`.
    predict : str
        Meaning of the backbone's output: "velocity" (the paper) or
        "data" (x_1; the velocity follows from it), which small models learn
        in fewer steps.
    condition_dropout : float
        Share of utterances that train without condition, for guidance; none
        in evaluation.
    num_steps : int
        Default number of steps when sampling.
    guidance_scale : float
        w in v + w (v - v_null); 0 samples without guidance in half the time.
    sway_coefficient : float
        See :func:`sway`.
    temperature : float
        Standard deviation of the initial noise when sampling.
    grid : str
        Times before sway sampling: "uniform" (the paper) or "epss", see
        solvers.py.
    solver : str
        "euler" (the paper), "midpoint", which evaluates the backbone twice a
        step, or "adams_bashforth".
    guidance_interval : sequence of float
        First and last time at which there is guidance (Kynkaanniemi et al.
        2024, arXiv 2404.07724); a pass elsewhere costs half. The paper guides
        at all times.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.dit import DiT
    >>> flow = ConditionalFlowMatching(DiT(10, 16, 32, 2, 2))
    >>> mel, cond = torch.randn(2, 40, 10), torch.randn(2, 40, 16)
    >>> flow(mel, cond, torch.ones(2)).shape
    torch.Size([])
    >>> flow.sample(cond, noise=torch.randn(2, 40, 10), num_steps=2).shape
    torch.Size([2, 40, 10])
    """

    draws_noise = True  # sample() starts from it

    def __init__(
        self,
        backbone,
        predict="velocity",
        condition_dropout=0.2,
        num_steps=32,
        guidance_scale=2.0,
        sway_coefficient=-1.0,
        temperature=1.0,
        grid="uniform",
        solver="euler",
        guidance_interval=(0.0, 1.0),
    ):
        super().__init__()
        if grid not in GRIDS or solver not in SOLVERS:
            raise ValueError(
                f"grid='{grid}', solver='{solver}': use one of {list(GRIDS)} "
                f"and one of {list(SOLVERS)}."
            )
        if predict not in ("velocity", "data"):
            raise ValueError(
                f"predict='{predict}': use 'velocity' (Eq. 3) or 'data'."
            )
        self.backbone = backbone
        self.predict = predict
        self.condition_dropout = condition_dropout
        self.num_steps = num_steps
        self.guidance_scale = guidance_scale
        self.sway_coefficient = sway_coefficient
        self.temperature = temperature
        self.grid, self.solver = grid, solver
        self.guidance_interval = tuple(guidance_interval)

    def forward(
        self,
        mel,
        cond,
        lens=None,
        reduction="mean",
        generator=None,
    ):
        """The flow matching loss.

        Arguments
        ---------
        mel : torch.Tensor
            Data x_1, shape [B, T, d].
        cond : torch.Tensor
            Condition, shape [B, T, d_h].
        lens : torch.Tensor
            Relative lengths, shape [B].
        reduction : str
            "mean" over all real frames, or "batch": one value an utterance.
        generator : torch.Generator
            Generator of times, noise and dropped conditions, on the CPU;
            torch's global one by default.

        Returns
        -------
        torch.Tensor
            Squared error, scalar or [B].
        """
        batch = len(mel)
        lens = unless_equal(lens)
        t = torch.rand(batch, generator=generator).to(mel)
        x_0 = torch.randn(mel.shape, generator=generator).to(mel)
        dropped = torch.rand(batch, generator=generator).to(mel)
        if self.training:
            kept = dropped >= self.condition_dropout
            cond = cond * kept[:, None, None]
        mask = length_mask(lens, mel.shape[1])
        x_t = torch.lerp(x_0, mel, t[:, None, None])
        if mask is not None:
            x_t = x_t * mask.unsqueeze(-1)
        predicted = self.backbone(x_t, cond, t, lens)
        target = mel - x_0 if self.predict == "velocity" else mel
        return squared_error(predicted, target, lens, reduction)

    def inputs(self, mel, cond, lens=None):
        """What the flow generates, and its condition; subclasses transform them."""
        return mel, cond

    def sampler_signature(self, num_steps=None, guidance_scale=None):
        """Settings on which a sample depends, besides weights, condition and noise."""
        return (
            num_steps or self.num_steps,
            self.guidance_scale if guidance_scale is None else guidance_scale,
            self.predict,
            self.sway_coefficient,
            self.temperature,
            self.grid,
            self.solver,
            self.guidance_interval,
        )

    def schedule(self, num_steps, device):
        """Flow times from 0 to 1, shape [S + 1].

        Arguments
        ---------
        num_steps : int
            Steps S.
        device : str | torch.device
            Of the times.

        Returns
        -------
        torch.Tensor
        """
        times = GRIDS[self.grid](num_steps).to(device)
        return sway(times, self.sway_coefficient)

    @torch.no_grad()
    def sample(
        self,
        cond,
        lens=None,
        noise=None,
        num_steps=None,
        guidance_scale=None,
    ):
        """Integrate the flow from noise to data.

        Arguments
        ---------
        cond : torch.Tensor
            Condition, shape [B, T, d_h].
        lens : torch.Tensor
            Relative lengths, shape [B].
        noise : torch.Tensor
            Standard normal, shape [B, T, d]; drawn from torch's global
            generator if not given.
        num_steps : int
            Steps S of the solver.
        guidance_scale : float
            w of classifier-free guidance; 0 for none.

        Returns
        -------
        torch.Tensor
            Data x_1, shape [B, T, d].
        """
        steps = self.num_steps if num_steps is None else num_steps
        scale = (
            self.guidance_scale if guidance_scale is None else guidance_scale
        )
        mask = length_mask(unless_equal(lens), cond.shape[1])
        if noise is None:
            shape = (*cond.shape[:2], self.backbone.n_mels)
            noise = torch.randn(shape, device=cond.device)
        times = self.schedule(steps, cond.device)
        velocity = self._guided_velocity(
            cond, mask, evaluation_times(times, self.solver), scale
        )
        x = self.temperature * noise
        return SOLVERS[self.solver](velocity, x, times)

    def modulations(self, times):
        """Modulations of all passes, at times [E]: [E, R, D].

        Arguments
        ---------
        times : torch.Tensor
            Times of all passes, [E].

        Returns
        -------
        torch.Tensor
        """
        return self.backbone.modulation(times)

    def _guided_velocity(self, cond, mask, times, scale):
        """The velocity at times [E], a function of x and the index of a time.

        Everything independent of x is computed here, once.
        """
        modulations = self.modulations(times)  # [E, R, D]
        first, last = self.guidance_interval
        guided = [bool(scale) and first <= t <= last for t in times.tolist()]
        single, double = (self.backbone.condition(cond), mask), None
        if any(guided):  # condition and null in one batch
            both = torch.cat([cond, torch.zeros_like(cond)])
            masks = None if mask is None else torch.cat([mask, mask])
            double = self.backbone.condition(both), masks

        def velocity(x, index):
            modulation = modulations[index : index + 1]
            if guided[index]:
                condition, masks = double
                x_twice = torch.cat([x, x])
                out, null = self.backbone.velocity(
                    x_twice, condition, modulation, masks
                ).chunk(2)
                out = out + scale * (out - null)
            else:
                condition, masks = single
                out = self.backbone.velocity(x, condition, modulation, masks)
            if self.predict == "velocity":
                return out
            return (out - x) / (1 - times[index])

        return velocity
