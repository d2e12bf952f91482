"""A warm-up by regression before the flow: an option of small models.

In the first part of a training the decoder predicts the mel from the condition
alone. With a small budget, encoder and quantizer learn sooner this way. Not in
the paper.
"""

import torch

from speechbrain_gogo.lobes.gogo.objective import GogoObjective
from speechbrain_gogo.lobes.nn.lengths import squared_error


class RegressionWarmup(GogoObjective):
    """Eq. 4 with a regression in place of the flow loss at first.

    The regression is the start of the flow: x_0 = 0 at t = 0, whose target is
    x_1 whether the flow predicts the velocity or the data. The Brain sets
    ``warming_up`` while the progress of the training is below ``share``.

    Arguments
    ---------
    share : float
        Share of the training that is warm-up.
    *args, **kwargs
        Arguments of :class:`GogoObjective`.
    """

    def __init__(self, *args, share=0.7, **kwargs):
        super().__init__(*args, **kwargs)
        self.share = share
        self.warming_up = False

    def decoder_loss(self, mel, cond, lens, generator):
        """Squared error of the predicted mel [B], or the flow loss later."""
        if not self.warming_up:
            return super().decoder_loss(mel, cond, lens, generator)
        t = mel.new_zeros(len(mel))
        predicted = self.codec.flow.backbone(
            torch.zeros_like(mel), cond, t, lens
        )
        return squared_error(predicted, mel, lens, "batch")

    def prior_input(self, found):
        """Tokens without gradient in the warm-up.

        The decoder's gradients are small at first, and those of the prior
        would make all tokens equal, since these are predicted best.
        """
        return found.detach() if self.warming_up else found
