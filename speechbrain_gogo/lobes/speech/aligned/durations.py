"""Prediction of the durations of letters, in frames of the aligner.

Letters: B batch, L text ids, T frames, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.aligned.text_encoder import ConvBlocks


class Durations(nn.Module):
    """Predicts the duration of each position of a text.

    Position 0 lasts until the first letter begins, position l from the
    beginning of letter l - 1 to that of the next one, or to the end of the
    speech.

    Arguments
    ---------
    dim : int
        Width D of the text's vectors.
    most : int
        Longest duration, in frames.
    num_layers : int
        Convolutions over 5 letters.

    Example
    -------
    >>> durations = Durations(16, 20)
    >>> durations(torch.randn(2, 7, 16), torch.tensor([6, 3])).shape
    torch.Size([2, 7, 21])
    """

    def __init__(self, dim, most=40, num_layers=2):
        super().__init__()
        self.most = most
        self.blocks = ConvBlocks(dim, num_layers, 5, dim)
        self.output = nn.Linear(dim, most + 1)

    def forward(self, encoded, lengths):
        """Scores of the durations 0 to ``most``, [B, L + 1, ``most`` + 1].

        ``encoded`` is the text, [B, L + 1, D], of ``lengths`` letters, int64 [B].
        No gradient flows back to it: its encoder learns from the tokens alone.
        """
        place = torch.arange(encoded.shape[1], device=encoded.device)
        real = place <= lengths.unsqueeze(1)
        return self.output(self.blocks(encoded.detach(), real))

    def nll(self, scores, lengths, places, real):
        """Negative log-likelihood of durations in nats, [P].

        Of all positions of clips with text. ``scores`` are those of
        :meth:`forward`, ``places`` the text position of each frame, int64 [B, T],
        ``real`` bool [B, T].
        """
        counts = torch.zeros_like(scores[..., 0], dtype=torch.int64)
        counts.scatter_add_(1, places, real.long())  # [B, L + 1]
        counts.clamp_(max=self.most)
        place = torch.arange(counts.shape[1], device=counts.device)
        known = place <= lengths.unsqueeze(1)
        known &= (lengths > 0).unsqueeze(1)
        return F.cross_entropy(
            scores[known].float(), counts[known], reduction="none"
        )

    def expected(self, encoded, lengths):
        """Mean durations in frames, 0 where there is no text: float32 [B, L + 1]."""
        scores = self(encoded, lengths).float()
        count = torch.arange(self.most + 1.0, device=scores.device)
        mean = scores.softmax(-1) @ count
        place = torch.arange(mean.shape[1], device=mean.device)
        known = (place <= lengths.unsqueeze(1)) & (lengths > 0).unsqueeze(1)
        return torch.where(known, mean, 0.0)


def places_at(durations, num_frames):
    """The position in a text of each frame, int64 [B, ``num_frames``].

    ``durations`` of the positions are in frames, float [B, L + 1]. Ends are
    rounded, not durations, so that errors do not accumulate. Frames past the
    end have the last position.

    Example
    -------
    >>> places_at(torch.tensor([[1.0, 1.4, 1.4, 0.2]]), 6)
    tensor([[0, 1, 2, 2, 3, 3]])
    """
    ends = durations[:, :-1].cumsum(1).round().contiguous()
    frame = torch.arange(num_frames, device=ends.device, dtype=ends.dtype)
    frame = frame.expand(len(ends), -1).contiguous()
    return torch.searchsorted(ends, frame, right=True)
