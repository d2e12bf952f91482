"""The CoFi-Codec network (Section II-A, Figure 1 a).

Log-mel -> e^1 .. e^Ns, each at a lower rate, and one global embedding g. From
the coarsest scale on, with d^Ns = 0: s^i quantizes e^i - d^i, and
d^i + s^i + g -> d^(i-1); d^0 -> log-mel. Encoding is the same recursion as
decoding, so tokens depend on g. The vocoder is a separate module with its own
training; the training objective is in objective.py.

Letters: B batch, N groups, K columns, i scale (1 the finest), T_i steps of a
scale, S streams, C width, M frames of mel.
"""

import math

import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.adversarial_codec.clip_codec import ClipCodec
from speechbrain_gogo.lobes.tokens.levels import Levels


class CoFiCodecNetwork(ClipCodec):
    """Multi-scale codec, from waveform to mel and back.

    Arguments
    ---------
    mel : MagnitudeMel
        Mel spectrogram to encode and decode.
    encoder : ScaleEncoder
        Log-mel to the sequences of all scales.
    quantizers : ScaleQuantizers
        Quantizers of each scale, the coarsest first.
    global_encoder : GlobalEncoder
        Log-mel to the global embedding g.
    decoder : ScaleDecoder
        Quantized sequences to log-mel.
    window_groups : int
        Groups to encode at a time, which bounds the memory. A longer recording
        has the embedding of its first window.

    Example
    -------
    >>> from speechbrain_gogo.lobes.cofi.blocks import ScaleDecoder
    >>> from speechbrain_gogo.lobes.cofi.blocks import ScaleEncoder
    >>> from speechbrain_gogo.lobes.cofi.quantizers import ScaleQuantizers
    >>> from speechbrain_gogo.lobes.adversarial_codec.global_encoder import GlobalEncoder
    >>> from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
    >>> blocks = {"strides": [2, 2, 3], "num_units": [2, 1, 1]}
    >>> codec = CoFiCodecNetwork(
    ...     MagnitudeMel(),
    ...     ScaleEncoder(80, 16, **blocks),
    ...     ScaleQuantizers(16, [1, 1, 4], [1, 1, 2], 64, stream_dim=16),
    ...     GlobalEncoder(dim=16, channels=16),
    ...     ScaleDecoder(80, 16, **blocks),
    ... ).eval()
    >>> [level.name for level in codec.levels]
    ['120 ms', '40 ms', '20 ms']
    >>> wavs = torch.randn(2, 16000)
    >>> tokens, lens = codec.encode(wavs)
    >>> tokens.shape
    torch.Size([2, 9, 28])
    >>> codec.decode_mel(tokens, codec.speaker_embedding(wavs)).shape
    torch.Size([2, 108, 80])
    """

    own_codes = True  # every stream of every scale

    def __init__(
        self,
        mel,
        encoder,
        quantizers,
        global_encoder,
        decoder,
        window_groups=500,
    ):
        super().__init__()
        self.mel = mel
        self.encoder = encoder
        self.quantizers = quantizers
        self.global_encoder = global_encoder
        self.decoder = decoder
        self.window_groups = window_groups
        strides = [block.resample.stride[0] for block in encoder.blocks]
        if len(quantizers) != len(strides):
            raise ValueError(
                f"There are {len(strides)} scales with strides {strides}, and "
                f"{len(quantizers)} quantizers: give one for each scale."
            )
        self.group_size = math.prod(strides)  # mel frames
        self.group_samples = self.group_size * mel.hop_length
        self.sample_rate = mel.sample_rate
        self.vocab_size = self.mask_id = quantizers.vocab_size
        frames = [math.prod(strides[: i + 1]) for i in range(len(strides))]
        frames.reverse()  # of a step of each scale, the coarsest first
        shift = 1000 * mel.hop_length / mel.sample_rate
        self.levels = Levels(
            [self.group_size // each for each in frames],
            [quantizer.num_streams for quantizer in quantizers],
            [f"{each * shift:g} ms" for each in frames],
        )
        self.num_codebooks = self.levels.num_columns
        # The default embedding: the mean over the training data.
        self.register_buffer("mean_embedding", torch.zeros(global_encoder.dim))

    def token_identity(self):
        """Everything on which tokens depend: settings, and a list of state dicts."""
        settings = self.sample_rate, self.group_samples, self.levels
        parts = self.encoder, self.quantizers, self.global_encoder
        parts = [*parts, *self.decoder.blocks[1:]]  # dec_1 predicts the mel
        return settings, [part.state_dict() for part in parts]

    @property
    def encoder_context(self):
        """Number of earlier groups on which a group's tokens depend."""
        frames = self.encoder.reach + self.decoder.reach(last=1)
        return math.ceil(frames / self.group_size) + 1

    @property
    def decoder_context(self):
        """Number of earlier groups on which a group's mel depends."""
        frames = self.decoder.reach(last=0) + 2
        return math.ceil(frames / self.group_size) + 1

    # Waveforms to tokens and an embedding

    def encode_clip(self, clip):
        """Tokens int64 [N, K] of a clip [T] of whole groups."""
        return torch.cat(list(self.encode_pieces([clip])))

    @torch.no_grad()
    def encode_pieces(self, pieces):
        """Tokens of one recording that comes in pieces, waveforms [T] of any lengths.

        A window is encoded when the next group has arrived, since mel frames
        need later samples. The embedding is computed from the first window. Yields
        int64 [n, K] of the next groups.
        """
        size, window = self.group_samples, self.window_groups
        held, known, first, g = None, 0, True, None
        for piece in pieces:
            held = piece if held is None else torch.cat([held, piece])
            while len(held) > (known + window + 1) * size:
                seen = held[: (known + window + 1) * size]
                g = self.voice(seen) if first else g
                mel = self.inner_mel(seen, first, False)
                skip = known if first else known - 1
                yield self.tokenize(mel, g)[0, skip:]
                past = max(0, known + window - self.encoder_context - 1)
                held, known = held[past * size :], known + window - past
                first = first and past == 0
        if held is not None and len(held):
            seen = F.pad(held, (0, -len(held) % size))
            g = self.voice(seen) if g is None else g
            mel = self.inner_mel(seen, first, True)
            yield self.tokenize(mel, g)[0, known if first else known - 1 :]

    def inner_mel(self, wav, first, last):
        """Log-mel [1, M, n_mels] of samples [T], as within the recording.

        Frames at either end of a segment depend on samples outside of it, so
        its first and last group are left out.
        """
        mel = self.mel(wav[None])
        start = 0 if first else self.group_size
        return mel[:, start : mel.shape[1] - (0 if last else self.group_size)]

    def voice(self, wav):
        """Global embedding [1, C] from the first samples [T] of a recording."""
        size, window = self.group_samples, self.window_groups
        mel = self.mel(wav[None, : (window + 1) * size])
        mel = mel[:, : window * self.group_size]
        return self.global_encoder.encode_each(mel)

    @property
    def voice_samples(self):
        """Samples from which the embedding of a recording is computed."""
        return (self.window_groups + 1) * self.group_samples

    # Log-mel to tokens

    def tokenize(self, mel, g):
        """Log-mel [B, M, n_mels] and embeddings [B, C] to int64 [B, N, K]."""
        sequences = self.encoder(mel)
        d, parts = torch.zeros_like(sequences[-1]), []
        for quantizer, place in self.coarse_to_fine():
            with torch.autocast(mel.device.type, enabled=False):
                residual = sequences[place].float() - d.float()
                ids = quantizer.encode(residual)  # [B, T_i, S]
                q = quantizer.decode(ids)
            parts.append(ids)
            if place:  # the output of the finest scale is not needed
                d = self.decoder.step(place, d, q, g)
        return self.levels.pack(parts)

    def coarse_to_fine(self):
        """Pairs of a scale's quantizer and i - 1, from i = Ns on."""
        return zip(self.quantizers, reversed(range(len(self.quantizers))))

    # Tokens to log-mel

    def embed(self, tokens):
        """Features [B, N, K', D] of tokens; ``mask_id`` has zeros."""
        columns = tokens.shape[-1]
        parts = self.levels.unpack(self._every_column(tokens))
        found = []
        for level, quantizer, ids in zip(self.levels, self.quantizers, parts):
            q = quantizer.embed(ids)  # [B, N * p, S, D]
            q = q.unflatten(1, (-1, level.steps)).flatten(2, 3)
            found.append(q)  # [B, N, p * S, D]
        return torch.cat(found, dim=2)[:, :, :columns]

    @torch.no_grad()
    def decode_mel(self, codes, embedding):
        """Log-mel [B, M, n_mels] of tokens in the voice of embeddings [B, C].

        Tokens are int64 [B, N, K'], the first K' columns; ``mask_id`` where one is
        not used. A step without any token adds zeros.
        """
        parts = self.levels.unpack(self._every_column(codes))
        d = 0
        for (quantizer, place), ids in zip(self.coarse_to_fine(), parts):
            with torch.autocast(codes.device.type, enabled=False):
                used = (ids != self.mask_id).any(-1, keepdim=True)
                q = quantizer.decode(ids) * used
            d = self.decoder.step(place, d, q, embedding)
        return self.decoder(d)

    def _every_column(self, tokens):
        """Tokens [B, N, K'] with masking tokens in the other columns."""
        missing = self.num_codebooks - tokens.shape[-1]
        return F.pad(tokens, (0, missing), value=self.mask_id)
