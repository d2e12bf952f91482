"""Streams of tokens: ordered product quantization and its baselines.

Section 3.1 of the SoCodec paper. A vector is cut into sub-vectors, each with a
codebook of its own; two neighbours make one stream, whose id combines theirs.
A prefix of the streams is kept in training ("nested dropout"), so the first
ones learn to carry the most. Without it this is plain product quantization;
residual quantization, the other baseline of Figures 4 and 5, has the same
streams, codebooks and bit rate.

All quantizers have ``num_streams``, ``vocab_size``, ``stream_dim`` and
``residual``, and the methods ``forward``, ``encode``, ``embed``, ``combine``.

Letters: B batch, N steps, D width, S streams, M real steps of a batch.
"""

import torch
import vector_quantize_pytorch
from torch import nn

from speechbrain_gogo.lobes.nn.ema_codebooks import EMACodebooks


class StreamQuantizer(nn.Module):
    """What the quantizers share: projections, and keeping a prefix of streams.

    Arguments
    ---------
    dim : int
        Width D of what is quantized.
    inner_dim : int
        Width of the space of the codebooks.
    num_streams : int
        S.
    codebook_size : int
        Codes of each of the two codebooks of a stream.
    ordered : bool
        Keep a random number of the streams of each utterance in training.
    """

    codebooks_per_stream = 2

    def __init__(self, dim, inner_dim, num_streams, codebook_size, ordered):
        super().__init__()
        self.dim = dim
        self.num_streams = num_streams
        self.codebook_size = codebook_size
        self.vocab_size = codebook_size**self.codebooks_per_stream
        self.ordered = ordered
        self.project_in = nn.Linear(dim, inner_dim)
        self.project_out = nn.Linear(inner_dim, dim)

    def forward(self, x, real, num_kept=None, generator=None, continuous=False):
        """Quantize a batch in training.

        Arguments
        ---------
        x : torch.Tensor
            Features, shape [B, N, D].
        real : torch.Tensor
            bool [B, N], False in the padding, of which nothing is learned.
        num_kept : torch.Tensor
            int64 [B], streams of each utterance to keep; drawn if not given.
        generator : torch.Generator
            Where the draw comes from; torch's global one by default.
        continuous : bool
            Leave the features as they are, and the codebooks alone: codebooks
            that start on features which move fast collapse.

        Returns
        -------
        tuple of torch.Tensor
            Quantized features [B, N, D], zero in the padding; ids int64
            [M, S], or [0, S] of continuous features; and the commitment loss,
            a scalar.
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
        """Ids of streams [..., S] to those of codebooks [..., S, 2].

        The first codebook of a stream is the low digit.
        """
        return torch.stack(
            [ids % self.codebook_size, ids // self.codebook_size], dim=-1
        )

    def join_ids(self, ids):
        """Ids of codebooks [..., S, 2] to those of streams [..., S]."""
        return ids[..., 0] + self.codebook_size * ids[..., 1]

    def encode(self, x):
        """Features [B, N, D] to ids int64 [B, N, S]."""
        inner = self.project_in(x.flatten(0, 1))
        return self.quantize(inner)[1].unflatten(0, x.shape[:2])

    def decode(self, ids):
        """Ids [..., S'] to features [..., D]; ``vocab_size`` adds nothing."""
        return self.combine(self.embed(ids))


class OrderedProductQuantizer(StreamQuantizer):
    """Product quantization whose streams are ordered by importance.

    Arguments
    ---------
    dim : int
        Width D of what is quantized.
    num_streams : int
        S, each of two codebooks.
    codebook_size : int
        Codes of a codebook; a stream has its square.
    code_dim : int
        Dimension of a code; the codebook's size by default (Section 5.2).
    ordered : bool
        False is plain product quantization.
    decay : float
        Of the moving averages that the codebooks are.
    rare_uses : float
        See :class:`~speechbrain_gogo.lobes.nn.ema_codebooks.EMACodebooks`.

    Example
    -------
    >>> quantizer = OrderedProductQuantizer(32, num_streams=4, codebook_size=16)
    >>> x = torch.randn(2, 5, 32)
    >>> real = torch.ones(2, 5, dtype=torch.bool)
    >>> q, ids, commitment = quantizer(x, real)
    >>> q.shape, ids.shape, quantizer.vocab_size
    (torch.Size([2, 5, 32]), torch.Size([10, 4]), 256)
    >>> quantizer.decode(quantizer.encode(x)).shape
    torch.Size([2, 5, 32])
    """

    residual = False

    def __init__(
        self,
        dim,
        num_streams=4,
        codebook_size=128,
        code_dim=None,
        ordered=True,
        decay=0.99,
        rare_uses=0.0,
    ):
        self.code_dim = code_dim or codebook_size
        num_codebooks = num_streams * self.codebooks_per_stream
        super().__init__(
            dim,
            num_codebooks * self.code_dim,
            num_streams,
            codebook_size,
            ordered,
        )
        self.stream_dim = self.codebooks_per_stream * self.code_dim
        self.codebooks = EMACodebooks(
            num_codebooks,
            codebook_size,
            self.code_dim,
            decay,
            rare_uses=rare_uses,
        )

    def quantize(self, inner):
        """Features of streams, their ids and the commitment loss.

        Arguments
        ---------
        inner : torch.Tensor
            Projected features, shape [M, S * stream_dim].

        Returns
        -------
        tuple of torch.Tensor
            [M, S, stream_dim], whose gradient passes to ``inner``; ids int64
            [M, S]; and the mean squared distance to the codes.
        """
        x = inner.unflatten(1, (-1, self.code_dim)).transpose(0, 1)  # [G, M, d]
        codes, ids = self.codebooks(x)
        commitment = (x - codes).square().mean() if len(inner) else x.sum()
        codes = x + (codes - x).detach()  # straight through
        q = self.split(codes.transpose(0, 1).flatten(1))
        ids = ids.T.unflatten(1, (self.num_streams, -1))  # [M, S, 2]
        return q, self.join_ids(ids), commitment

    def split(self, inner):
        """Projected features [M, S * stream_dim] as streams."""
        return inner.unflatten(1, (self.num_streams, self.stream_dim))

    def embed(self, ids):
        """Features of ids.

        Arguments
        ---------
        ids : torch.Tensor
            int64 [..., S'], the first S' streams; ``vocab_size`` has zeros.

        Returns
        -------
        torch.Tensor
            [..., S', stream_dim].
        """
        parts = self.split_ids(ids.clamp(max=self.vocab_size - 1))
        parts = parts.flatten(-2)  # [..., G'], the first G' codebooks
        books = torch.arange(parts.shape[-1], device=ids.device)
        codes = self.codebooks.embed[books, parts]  # [..., G', d]
        codes = codes.unflatten(-2, (-1, self.codebooks_per_stream)).flatten(-2)
        return torch.where((ids == self.vocab_size).unsqueeze(-1), 0.0, codes)

    def combine(self, q):
        """[..., S', stream_dim] -> [..., D]; missing streams are zeros."""
        missing = self.num_streams - q.shape[-2]
        q = nn.functional.pad(q, (0, 0, 0, missing)).flatten(-2)
        return self.project_out(q)


class ResidualStreamQuantizer(StreamQuantizer):
    """Residual quantization with the streams of the ordered one.

    Each layer quantizes what the layers before it left over, in two halves
    with a codebook each: as many bits as a stream of
    :class:`OrderedProductQuantizer`.

    Arguments
    ---------
    dim, num_streams, codebook_size, code_dim, decay, rare_uses
        As of :class:`OrderedProductQuantizer`.
    ordered : bool
        Nested dropout on top of the order that residuals have.

    Example
    -------
    >>> quantizer = ResidualStreamQuantizer(32, 4, codebook_size=16)
    >>> x = torch.randn(2, 5, 32)
    >>> quantizer.encode(x).shape, quantizer.decode(quantizer.encode(x)).shape
    (torch.Size([2, 5, 4]), torch.Size([2, 5, 32]))
    """

    residual = True

    def __init__(
        self,
        dim,
        num_streams=4,
        codebook_size=128,
        code_dim=None,
        ordered=False,
        decay=0.99,
        rare_uses=0.0,
    ):
        code_dim = code_dim or codebook_size
        inner = code_dim * self.codebooks_per_stream
        super().__init__(dim, inner, num_streams, codebook_size, ordered)
        self.stream_dim = inner
        self.layers = vector_quantize_pytorch.GroupedResidualVQ(
            dim=inner,
            groups=self.codebooks_per_stream,
            num_quantizers=num_streams,
            codebook_size=codebook_size,
            decay=decay,
            kmeans_init=True,
            kmeans_iters=50,
            threshold_ema_dead_code=rare_uses,
            rotation_trick=False,
        )

    def quantize(self, inner):
        """As :meth:`OrderedProductQuantizer.quantize`, stream_dim = inner."""
        learning = self.training and torch.is_grad_enabled()
        _, ids, losses = self.layers(
            inner.unsqueeze(0), freeze_codebook=not learning
        )  # ids [2, 1, M, S]
        ids = ids[:, 0].permute(1, 2, 0)  # [M, S, 2]
        joined = self.join_ids(ids)
        q = self.embed(joined)  # [M, S, inner]
        # The first stream, which is always kept, carries the gradient.
        through = self.split(inner - inner.detach())
        return q + through, joined, losses.mean()

    def split(self, inner):
        """Projected features [M, inner] as the first stream, zeros after."""
        first = inner.unsqueeze(1)
        return nn.functional.pad(first, (0, 0, 0, self.num_streams - 1))

    def embed(self, ids):
        """As :meth:`OrderedProductQuantizer.embed`."""
        parts = self.split_ids(ids.clamp(max=self.vocab_size - 1))
        levels = torch.arange(ids.shape[-1], device=ids.device)
        halves = [
            rvq.codebooks[levels, parts[..., half]]  # [..., S', inner / 2]
            for half, rvq in enumerate(self.layers.rvqs)
        ]
        q = torch.cat(halves, dim=-1)
        return torch.where((ids == self.vocab_size).unsqueeze(-1), 0.0, q)

    def combine(self, q):
        """[..., S', inner] -> [..., D]; missing streams add nothing."""
        return self.project_out(q.sum(-2))
