"""Streams of tokens: ordered product quantization and its baselines.

Section 3.1 of the SoCodec paper. A vector is split into sub-vectors, each with
its own codebook. Two neighbours form a stream, whose id combines their ids.
With one stream of one codebook this is vector quantization. In training only a
prefix of the streams is kept ("nested dropout"), so that the first streams
learn the most important information. Without it this is plain product
quantization. Residual quantization, the other baseline of Figures 4 and 5, has
the same streams, codebooks and bit rate.

All quantizers have ``num_streams``, ``vocab_size``, ``stream_dim`` and
``residual``, and the methods ``forward``, ``encode``, ``embed``, ``combine``.

Letters: B batch, N steps, D width, S streams, c codebooks of a stream, G = S * c
codebooks, d dimensions of a code, M real steps of a batch.
"""

import torch
import vector_quantize_pytorch
from torch import nn

from speechbrain_gogo.lobes.adversarial_codec.ema_codebooks import EMACodebooks
from speechbrain_gogo.lobes.adversarial_codec.stream_quantizer import (
    StreamQuantizer,
)


class OrderedProductQuantizer(StreamQuantizer):
    """Product quantization whose streams are ordered by importance.

    Arguments
    ---------
    dim : int
        Width D of what is quantized.
    num_streams : int
        S.
    codebook_size : int
        Codes of a codebook; a stream of c codebooks has its c-th power of ids.
    code_dim : int
        Dimension of a code; the codebook's size by default (Section 5.2).
    ordered : bool
        False is plain product quantization.
    decay : float
        Decay of the codebooks' moving averages.
    rare_uses : float
        See :class:`~speechbrain_gogo.lobes.adversarial_codec.ema_codebooks.EMACodebooks`.
    codebooks_per_stream : int
        c, the codebooks of a stream, whose ids are combined; 1 with one stream
        is vector quantization.

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
        codebooks_per_stream=2,
    ):
        code_dim = code_dim or codebook_size
        num_codebooks = num_streams * codebooks_per_stream
        super().__init__(
            dim,
            num_codebooks * code_dim,
            num_streams,
            codebook_size,
            ordered,
            codebooks_per_stream,
        )
        self.code_dim = code_dim
        self.stream_dim = codebooks_per_stream * code_dim
        self.codebooks = EMACodebooks(
            num_codebooks,
            codebook_size,
            self.code_dim,
            decay,
            rare_uses=rare_uses,
        )

    def quantize(self, inner):
        """Features of streams, their ids and the commitment loss.

        Projected features [M, S * stream_dim] become [M, S, stream_dim], whose
        gradient passes to them, ids int64 [M, S], and the mean squared distance to
        the codes.
        """
        x = inner.unflatten(1, (-1, self.code_dim)).transpose(0, 1)  # [G, M, d]
        codes, ids = self.codebooks(x)
        commitment = (x - codes).square().mean() if len(inner) else x.sum()
        codes = x + (codes - x).detach()  # straight through
        q = self.split(codes.transpose(0, 1).flatten(1))
        ids = ids.T.unflatten(1, (self.num_streams, -1))  # [M, S, c]
        return q, self.join_ids(ids), commitment

    def encode(self, x):
        """Features [B, N, D] to ids int64 [B, N, S], without their codes."""
        inner = self.project_in(x.flatten(0, 1))  # [M, S * stream_dim]
        parts = inner.unflatten(1, (-1, self.code_dim)).transpose(0, 1)
        ids = self.codebooks.nearest(parts).T  # [M, G]
        ids = self.join_ids(ids.unflatten(1, (self.num_streams, -1)))
        return ids.unflatten(0, x.shape[:2])

    def split(self, inner):
        """Projected features [M, S * stream_dim] as streams."""
        return inner.unflatten(1, (self.num_streams, self.stream_dim))

    def embed(self, ids):
        """Features [..., S', stream_dim] of ids int64 [..., S'], the first S' streams.

        The id ``vocab_size`` has zeros.
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

    Each layer quantizes the residual of the preceding layers, in two halves
    with a codebook each. It has as many bits as a stream of
    :class:`OrderedProductQuantizer`.

    Arguments
    ---------
    dim, num_streams, codebook_size, decay, rare_uses
        As in :class:`OrderedProductQuantizer`.
    ordered : bool
        Nested dropout in addition to the order of the residuals.

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
        ordered=False,
        decay=0.99,
        rare_uses=0.0,
    ):
        inner = 2 * codebook_size
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
