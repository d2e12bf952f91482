"""Base class of quantizers with streams: projections and nested dropout.

A vector becomes S streams of ids, each of one or more codebooks; in training a
random prefix of the streams may be kept (Section 3.1 of the SoCodec paper). How
a vector is quantized is in ordered_quantizer.py.

Letters: B batch, N steps, D width, S streams, c codebooks of a stream, M real
steps of a batch.
"""

import torch
from torch import nn


class StreamQuantizer(nn.Module):
    """Projections around a quantizer, nested dropout and ids of streams.

    ``dim`` is the width D of what is quantized, ``inner_dim`` that of the
    codebooks' space; the other arguments are those of
    :class:`~speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer.OrderedProductQuantizer`.
    """

    def __init__(
        self,
        dim,
        inner_dim,
        num_streams,
        codebook_size,
        ordered,
        codebooks_per_stream=2,
    ):
        super().__init__()
        self.codebooks_per_stream = codebooks_per_stream
        self.dim = dim
        self.num_streams = num_streams
        self.codebook_size = codebook_size
        self.vocab_size = codebook_size**self.codebooks_per_stream
        self.ordered = ordered
        self.project_in = nn.Linear(dim, inner_dim)
        self.project_out = nn.Linear(inner_dim, dim)

    def forward(self, x, real, num_kept=None, generator=None, continuous=False):
        """Quantize features [B, N, D] in training.

        Padding, where ``real``, bool [B, N], is False, is ignored. ``num_kept``,
        int64 [B], are the streams of each utterance to keep; drawn if not given, by
        torch's global generator if there is no other. ``continuous`` features are
        not quantized, and do not update the codebooks: these collapse if they start
        while features change fast.

        Gives quantized features [B, N, D], zero in the padding; ids int64 [M, S],
        or [0, S] of continuous features; and the commitment loss, a scalar.
        """
        with torch.autocast(x.device.type, enabled=False):
            inner = self.project_in(x[real].float())  # [M, inner_dim]
            if continuous:
                q = self.split(inner)
                ids = torch.zeros(0, self.num_streams, dtype=torch.long)
                commitment = inner.new_zeros(())
            else:
                q, ids, commitment = self.quantize(inner)
            # q [M, S, stream_dim]
            if num_kept is None:
                num_kept = self.draw_kept(len(x), generator)
            # Kept streams of each real step, [M].
            kept = num_kept.to(x.device)[:, None].expand(real.shape)[real]
            streams = torch.arange(self.num_streams, device=x.device)
            q = q * (streams < kept[:, None]).unsqueeze(-1)
            found = self.combine(q)  # [M, D]
        quantized = found.new_zeros(*real.shape, self.dim)
        return quantized.masked_scatter(real[..., None], found), ids, commitment

    def draw_kept(self, batch, generator=None):
        """How many streams of each utterance to keep, int64 [B]."""
        if not (self.ordered and self.training):
            return torch.full((batch,), self.num_streams)
        return torch.randint(
            1, self.num_streams + 1, (batch,), generator=generator
        )

    def split_ids(self, ids):
        """Ids of streams [..., S] to those of their codebooks [..., S, c].

        The first codebook of a stream is the lowest digit.
        """
        digits = []
        for _ in range(self.codebooks_per_stream):
            digits.append(ids % self.codebook_size)
            ids = ids // self.codebook_size
        return torch.stack(digits, dim=-1)

    def join_ids(self, ids):
        """Ids of codebooks [..., S, c] to those of streams [..., S]."""
        places = range(self.codebooks_per_stream)
        return sum(ids[..., c] * self.codebook_size**c for c in places)

    def encode(self, x):
        """Features [B, N, D] to ids int64 [B, N, S]."""
        inner = self.project_in(x.flatten(0, 1))
        return self.quantize(inner)[1].unflatten(0, x.shape[:2])

    def decode(self, ids):
        """Ids [..., S'] to features [..., D]; ``vocab_size`` adds nothing."""
        return self.combine(self.embed(ids))
