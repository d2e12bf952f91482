"""Regression of the mel, with the methods of the flow.

It replaces the flow over a DiT of gogo.yaml and is deterministic. Not in the
paper.

Letters: B batch, T frames, d mel bins, D width of the condition.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import squared_error


class MelRegression(nn.Module):
    """Predicts the mel; has the methods of :class:`ConditionalFlowMatching`.

    Arguments
    ---------
    backbone : torch.nn.Module
        Predicts the mel from (cond, lens), see :class:`ConvolutionalDecoder`.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ...     ConvolutionalDecoder,
    ... )
    >>> decoder = ConvolutionalDecoder(
    ...     10, 4, 3, 5, 8, 16, 32, 1, 2, 8, 16, [1]
    ... )
    >>> regression = MelRegression(decoder)
    >>> mel, cond = torch.randn(2, 28, 10), torch.randn(2, 28, 5)
    >>> regression(mel, cond).shape, regression.sample(cond).shape
    (torch.Size([]), torch.Size([2, 28, 10]))
    """

    num_steps = 1
    guidance_scale = 0.0

    draws_noise = False

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def sampler_signature(self, num_steps=None, guidance_scale=None):
        """Empty: the mel depends on weights and condition alone."""
        return ("regression",)

    def forward(self, mel, cond, lens=None, reduction="mean", generator=None):
        """Mean squared error of the predicted mel, a scalar or [B].

        Arguments as in ConditionalFlowMatching.forward; nothing is drawn, so
        ``generator`` is not used.
        """
        return squared_error(self.backbone(cond, lens), mel, lens, reduction)

    @torch.no_grad()
    def sample(
        self, cond, lens=None, noise=None, num_steps=None, guidance_scale=None
    ):
        """The mel of a condition, [B, T, d]; only these two arguments count."""
        return self.backbone(cond, lens).float()
