"""A reward with a perceptual term: Eq. 10 plus features of a recogniser.

A mel with a small squared error is not always intelligible. The distance
between features of a recogniser, for each group and number of tokens, is
therefore added to the distance of Eq. 10. An option: the paper has Eq. 10
alone.

Letters: B batch, N groups, G choices, g frames per group, d mel bins, P
positions of the recogniser.
"""

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward
from speechbrain_gogo.lobes.nn.lengths import count_steps


class HearingReward(ReconstructionReward):
    """R_d of Eq. 10 plus the distance of a recogniser's features.

    Arguments
    ---------
    hearing : callable
        Makes a frozen :class:`HearingLoss` for ``mel``, the codec's.
    hearing_weight : float
        Weight of that distance; Eq. 10 has a larger scale.
    **options
        Options of :class:`ReconstructionReward`.
    """

    def __init__(self, hearing, hearing_weight, **options):
        super().__init__(**options)
        self.hearing = hearing(mel=self.codec.mel)
        self.hearing_weight = hearing_weight

    @property
    def distance_fingerprint(self):
        """As in the base class, including the recogniser."""
        return f"{super().distance_fingerprint}/{self.hearing_weight}"

    def compare(self, made, mel, lens):
        """Distances [G, B, N], see :class:`ReconstructionReward`.

        The recogniser reads each utterance alone, without padding: rewards do
        not depend on the batch.
        """
        heard = torch.zeros(made.shape[:3]).to(made)
        counts = count_steps(lens, mel.shape[1]).tolist()
        for place, count in enumerate(counts):
            positions = self.hearing.compare(
                made[:, place, :count].flatten(1, 2),  # [G, T, d]
                mel[None, place, :count].flatten(1, 2),  # [1, T, d]
            )  # [G, P]
            heard[:, place, :count] = F.adaptive_avg_pool1d(positions, count)
        return super().compare(made, mel, lens) + self.hearing_weight * heard
