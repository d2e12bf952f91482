"""Scale-wise nested dropout (Section II-A).

The finest b scales of an utterance are masked in training, so that coarse
scales learn as much as they can represent.
"""

import torch
from torch import nn


class ScaleDropout(nn.Module):
    """Draws how many scales of each utterance are kept.

    Arguments
    ---------
    probabilities : list of float
        Probabilities p_b of masking the b finest scales, b = 0 .. Ns - 1.

    Raises
    ------
    ValueError
        If they are no distribution.

    Example
    -------
    >>> dropout = ScaleDropout([0.8, 0.1, 0.1])
    >>> bool((dropout.draw(100) >= 1).all()), dropout.eval().draw(2)
    (True, tensor([3, 3]))
    """

    def __init__(self, probabilities):
        super().__init__()
        probabilities = torch.tensor(probabilities, dtype=torch.double)
        if (probabilities < 0).any() or abs(probabilities.sum() - 1) > 1e-6:
            raise ValueError(
                "Probabilities of scale-wise nested dropout must be a "
                f"distribution; got {probabilities.tolist()}."
            )
        self.probabilities = probabilities

    def draw(self, batch, generator=None):
        """Coarse scales to keep per utterance, int64 [B]; all in evaluation."""
        scales = len(self.probabilities)
        if not self.training:
            return torch.full((batch,), scales)
        masked = torch.multinomial(
            self.probabilities, batch, replacement=True, generator=generator
        )
        return scales - masked
