"""A flow from a regression's mel to the real one.

A regression predicts the mel of the tokens in one pass, but smooths what the
tokens leave open. This flow generates the difference, which is small: a small
network learns it in hours, and few steps suffice. PriorGrad (Lee et al. 2022,
arXiv 2106.06406) also starts a diffusion at an estimate. Not in the Gogo paper.
"""

import torch

from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching


class ResidualFlow(ConditionalFlowMatching):
    """Generates the mel minus its regression, given the regression.

    Arguments
    ---------
    backbone : torch.nn.Module
        As in :class:`ConditionalFlowMatching`; its condition is a mel.
    estimator : torch.nn.Module
        Predicts the mel from (cond, lens), such as
        :class:`~speechbrain_gogo.lobes.gogo.convolutional_decoder.ConvolutionalDecoder`.
        It is trained, and not trained on here.
    scale : float
        Standard deviation of the difference, by which it is divided.
    **settings
        Settings of :class:`ConditionalFlowMatching`.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ...     ConvolutionalDecoder,
    ... )
    >>> from speechbrain_gogo.lobes.gogo.dit import DiT
    >>> estimator = ConvolutionalDecoder(
    ...     10, 4, 3, 5, 8, 16, 32, 1, 2, 8, 16, [1]
    ... )
    >>> flow = ResidualFlow(DiT(10, 10, 32, 2, 2), estimator, scale=0.5)
    >>> mel, cond = torch.randn(2, 28, 10), torch.randn(2, 28, 5)
    >>> flow(mel, cond).shape, flow.sample(cond, num_steps=2).shape
    (torch.Size([]), torch.Size([2, 28, 10]))
    """

    def __init__(self, backbone, estimator, scale=1.0, **settings):
        super().__init__(backbone, **settings)
        self.estimator = estimator.requires_grad_(False)
        self.scale = scale

    def forward(self, mel, cond, lens=None, reduction="mean", generator=None):
        """The flow matching loss of the difference.

        Arguments and result as in :meth:`ConditionalFlowMatching.forward`.
        """
        residual, estimate = self.inputs(mel, cond, lens)
        return super().forward(residual, estimate, lens, reduction, generator)

    def inputs(self, mel, cond, lens=None):
        """The difference and the regression, [B, T, d] each."""
        estimate = self.estimate(cond, lens)
        return (mel - estimate) / self.scale, estimate

    @torch.no_grad()
    def sample(
        self, cond, lens=None, noise=None, num_steps=None, guidance_scale=None
    ):
        """The estimate and a sample of the difference, [B, T, d].

        Arguments as in :meth:`ConditionalFlowMatching.sample`.
        """
        estimate = self.estimate(cond, lens)
        residual = super().sample(
            estimate, lens, noise, num_steps, guidance_scale
        )
        return estimate + self.scale * residual

    @torch.no_grad()
    def estimate(self, cond, lens=None):
        """The regression's mel of a condition, float32 [B, T, d]."""
        return self.estimator(cond, lens).float()

    def sampler_signature(self, num_steps=None, guidance_scale=None):
        """As :meth:`ConditionalFlowMatching.sampler_signature`, and the scale."""
        return *super().sampler_signature(num_steps, guidance_scale), self.scale


class FewStepResidualFlow(ResidualFlow, FewStepFlow):
    """A :class:`ResidualFlow` over a StepDiT: the student of one."""
