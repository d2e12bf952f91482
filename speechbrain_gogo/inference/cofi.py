"""CoFi-Codec: speech to scales of tokens and one embedding, and back.

The interface that users load with ``from_hparams``. Coarse scales represent
content and prosody, fine ones the rest; the embedding represents the
voice.
"""

import torch

from speechbrain_gogo.inference.checks.waveforms import check_wav
from speechbrain_gogo.inference.codecs.voiced import VoicedCodec


class CoFiCodec(VoicedCodec):
    """Encodes 16 kHz speech into tokens of several time scales.

    ``modules`` are ``codec`` (a
    :class:`~speechbrain_gogo.lobes.cofi.codec.CoFiCodecNetwork`) and
    ``vocoder``. A group of the token matrix is a step of the coarsest scale. In
    the paper's model it lasts 120 ms and has one token of that scale, three of
    the 40 ms scale, and six steps of four streams of the 20 ms scale, 28 in all
    (``levels`` has their columns). ``keep`` counts scales, from the coarsest
    on.

    The same audio has the same tokens alone, in a batch and in a stream.

    Example
    -------
    >>> codec = CoFiCodec.from_hparams("folder")  # doctest: +SKIP
    >>> tokens, lens = codec.encode_batch(torch.zeros(1, 16000))
    ... # doctest: +SKIP
    >>> tokens.shape, [level.name for level in codec.levels]  # doctest: +SKIP
    (torch.Size([1, 9, 28]), ['120 ms', '40 ms', '20 ms'])
    >>> coarse, middle, fine = codec.levels.unpack(tokens)  # doctest: +SKIP
    >>> coarse.shape, middle.shape, fine.shape  # doctest: +SKIP
    (torch.Size([1, 9, 1]), torch.Size([1, 27, 1]), torch.Size([1, 54, 4]))
    """

    @property
    def voice_samples(self):
        """Samples of a recording whose embedding is its voice.

        Tokens depend on the embedding, which is computed from the same samples.
        """
        return self.codec.voice_samples

    @torch.no_grad()
    def encode_stream(self, pieces):
        """Encode consecutive pieces of one recording at bounded memory.

        Arguments
        ---------
        pieces : iterable of torch.Tensor
            float [T], mono, at the codec's rate, of any lengths.

        Yields
        ------
        torch.Tensor
            Tokens int64 [n, K] of the next groups; concatenated, they are those
            of the whole recording. The first ones are returned after
            ``voice_samples``, when the embedding is known.

        Raises
        ------
        ValueError
            If a piece is empty, not finite, not in float or not in [-1, 1].
        """
        device = self._device()
        checked = (check_wav(piece, device) for piece in pieces)
        yield from self._in_own_precision(self.codec.encode_pieces(checked))
