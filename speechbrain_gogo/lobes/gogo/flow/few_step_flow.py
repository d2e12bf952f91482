"""A flow conditioned on the step length, for decoding in few steps.

Shortcut models (Frans et al. 2024, arXiv 2410.12557): instead of the velocity
at a point, this network predicts the mean velocity of the whole step, so that
few steps have nearly the result of many. distillation.py trains it. Not in the
Gogo paper.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.gogo.dit import DiT, TimeEmbedding
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching


class StepDiT(DiT):
    """A DiT with embeddings of the step's length and of the time.

    The embedding of the length starts at zero, so that training starts from a
    DiT.

    Arguments
    ---------
    **settings
        Settings of :class:`~speechbrain_gogo.lobes.gogo.dit.DiT`.

    Example
    -------
    >>> dit = StepDiT(n_mels=10, cond_dim=16, dim=32, num_layers=2, num_heads=2)
    >>> dit.modulation(torch.tensor([0.0, 0.5]), torch.tensor(0.5)).shape
    torch.Size([2, 14, 32])
    """

    def __init__(self, **settings):
        super().__init__(**settings)
        self.step = step_embedding(self.project_x.out_features)

    def modulation(self, t, step=None):
        """Modulation [S, 6 L + 2, D] by the time at the start of a step, t [S].

        ``step`` is its length, [S] or a scalar; 0 by default, which is the velocity
        at t.
        """
        step = torch.zeros_like(t) if step is None else step.expand(t.shape)
        return self.modulate(self.time(t) + self.step(step))


def step_embedding(dim):
    """An embedding of lengths, of width ``dim``, whose output is initially zero."""
    embedding = TimeEmbedding(dim)
    nn.init.zeros_(embedding.mlp[-1].weight)
    nn.init.zeros_(embedding.mlp[-1].bias)
    return embedding


class FewStepFlow(ConditionalFlowMatching):
    """Euler steps along mean velocities; guidance is part of the weights.

    Arguments
    ---------
    backbone : StepDiT
        Predicts from (x_t, cond, t, length of the step).
    **settings
        Settings of
        :class:`~speechbrain_gogo.lobes.gogo.flow.matching.ConditionalFlowMatching`,
        without those of guidance, grid and solver.

    Raises
    ------
    ValueError
        If ``settings`` have guidance, another grid or another solver.

    Example
    -------
    >>> settings = {"n_mels": 10, "cond_dim": 16, "dim": 32, "num_heads": 2}
    >>> backbone = StepDiT(num_layers=2, **settings)
    >>> flow = FewStepFlow(backbone, num_steps=2, guidance_scale=0.0)
    >>> flow.sample(torch.randn(2, 40, 16)).shape
    torch.Size([2, 40, 10])
    """

    def __init__(self, backbone, guidance_scale=0.0, **settings):
        _check_guidance(guidance_scale)
        super().__init__(backbone, guidance_scale=0.0, **settings)
        if (self.grid, self.solver) != ("uniform", "euler"):
            raise ValueError(
                f"grid='{self.grid}', solver='{self.solver}': this decoder has "
                "learned Euler steps of the uniform grid; leave both out."
            )

    def modulations(self, times):
        """Modulations of all steps, at times [E], with their lengths."""
        ends = torch.cat([times[1:], times.new_ones(1)])
        return self.backbone.modulation(times, ends - times)

    def sample(
        self, cond, lens=None, noise=None, num_steps=None, guidance_scale=None
    ):
        """Go from noise to data, as :meth:`ConditionalFlowMatching.sample`.

        Raises
        ------
        ValueError
            If guidance is asked for.
        """
        _check_guidance(guidance_scale)
        return super().sample(cond, lens, noise, num_steps)


def _check_guidance(scale):
    """Refuse guidance."""
    if scale:
        raise ValueError(
            f"guidance_scale={scale}: this decoder has learned from a teacher "
            "with guidance and takes none itself; leave guidance_scale out."
        )
