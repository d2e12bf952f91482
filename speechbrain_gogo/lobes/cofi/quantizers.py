"""The quantizers of CoFi-Codec's scales (Section III-A).

A scale with one stream uses vector quantization, a scale with several streams
SoCodec's ordered product quantization. All streams have the same number of ids
and of feature dimensions.
"""

from torch import nn

from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    OrderedProductQuantizer,
)


class ScaleQuantizers(nn.ModuleList):
    """One quantizer for each scale, the coarsest first.

    Arguments
    ---------
    dim : int
        Width of the vectors to quantize.
    streams : list of int
        Tokens of a step of each scale.
    codebooks : list of int
        Codebooks per stream, for each scale: 1 is vector quantization, 2 as in
        SoCodec.
    vocab_size : int
        Ids of a stream; each of its c codebooks has the c-th root of it.
    stream_dim : int
        Dimension of a stream's features.
    ordered : bool
        Nested dropout of the streams of a scale.
    decay, rare_uses : float
        Decay and rare uses of the codebooks, see
        :class:`~speechbrain_gogo.lobes.adversarial_codec.ema_codebooks.EMACodebooks`.

    Raises
    ------
    ValueError
        If the scales of ``streams`` and ``codebooks`` are not as many, or
        codebooks cannot share the ids or the dimensions of a stream.

    Example
    -------
    >>> import torch
    >>> quantizers = ScaleQuantizers(8, [1, 4], [1, 2], 64, stream_dim=16)
    >>> [q.encode(torch.randn(2, 3, 8)).shape[-1] for q in quantizers]
    [1, 4]
    >>> [q.codebook_size for q in quantizers]
    [64, 8]
    """

    def __init__(
        self,
        dim,
        streams,
        codebooks,
        vocab_size=16384,
        stream_dim=256,
        ordered=True,
        decay=0.99,
        rare_uses=0.0,
    ):
        if len(streams) != len(codebooks):
            raise ValueError(
                f"streams={streams}, codebooks={codebooks}: give both for each "
                "scale."
            )
        if any(stream_dim % count for count in codebooks):
            raise ValueError(
                f"stream_dim={stream_dim} cannot be divided among "
                f"codebooks={codebooks}: give a multiple of each."
            )
        super().__init__(
            OrderedProductQuantizer(
                dim,
                num_streams,
                root(vocab_size, count),
                stream_dim // count,
                ordered,
                decay,
                rare_uses,
                count,
            )
            for num_streams, count in zip(streams, codebooks)
        )
        self.vocab_size = vocab_size


def root(vocab_size, count):
    """Size of each codebook, if ``count`` of them together give the ids.

    Raises a ValueError if the number of ids has no such root.

    Example
    -------
    >>> root(16384, 2), root(16384, 1)
    (128, 16384)
    """
    size = round(vocab_size ** (1 / count))
    if size**count != vocab_size:
        raise ValueError(
            f"vocab_size={vocab_size} cannot be the ids of {count} codebooks of "
            f"equal size: give a number such as {size}**{count} = {size**count}."
        )
    return size
