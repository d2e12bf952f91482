"""The SoCodec network (Section 3.2).

Waveform -> self-supervised features -> encoder -> ordered streams of tokens;
log-mel -> one global embedding g. Tokens and g -> h -> self-supervised
features, needed in training only; h and g -> log-mel. The two decoders are
applied in sequence, and g is added before each. The vocoder is a separate
module with its own training; the training objective is in objective.py.

Letters: B batch, N token steps, S streams, D width, F frames of features, M
frames of mel.
"""

import math

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.lobes.adversarial_codec.clip_codec import (
    ClipCodec,
    relative_lengths,
)


class SoCodecNetwork(ClipCodec):
    """Semantic-ordered multi-stream codec, from waveform to mel and back.

    Arguments
    ---------
    ssl : SelfSupervised
        Features that are encoded.
    mel : MagnitudeMel
        Features that are decoded.
    encoder : CausalEncoder
        Self-supervised features to vectors at the rate of the tokens.
    quantizer : OrderedProductQuantizer | ResidualStreamQuantizer | callable
        Vectors to tokens and back; or its factory, called with ``dim``, for
        YAMLs that override another YAML's quantizer.
    global_encoder : GlobalEncoder
        Log-mel to the global embedding g.
    semantic_decoder : CausalDecoder
        Quantized vectors to self-supervised features.
    acoustic_decoder : CausalDecoder
        The hidden features of the semantic decoder to log-mel.
    group_samples : int
        Samples of a token step.

    Example
    -------
    >>> from speechbrain_gogo.lobes.adversarial_codec.causal import CausalDecoder
    >>> from speechbrain_gogo.lobes.adversarial_codec.causal import CausalEncoder
    >>> from speechbrain_gogo.lobes.adversarial_codec.global_encoder import GlobalEncoder
    >>> from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
    >>> from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    ...     OrderedProductQuantizer,
    ... )
    >>> codec = SoCodecNetwork(
    ...     None,
    ...     MagnitudeMel(),
    ...     CausalEncoder(12, 16, 16, [2, 3], groups=4),
    ...     OrderedProductQuantizer(16, 4, codebook_size=8),
    ...     GlobalEncoder(dim=16, channels=16),
    ...     CausalDecoder(16, 16, 12, [3, 2], groups=4),
    ...     CausalDecoder(16, 16, 80, [2], groups=4),
    ...     group_samples=1920,
    ... ).eval()
    >>> ssl, mel = torch.randn(2, 30, 12), torch.randn(2, 60, 80)
    >>> codes, embedding = codec.encode_features(ssl, mel)
    >>> codes.shape, embedding.shape
    (torch.Size([2, 5, 4]), torch.Size([2, 16]))
    >>> codec.decode_mel(codes, embedding).shape
    torch.Size([2, 60, 80])
    """

    def __init__(
        self,
        ssl,
        mel,
        encoder,
        quantizer,
        global_encoder,
        semantic_decoder,
        acoustic_decoder,
        group_samples,
    ):
        super().__init__()
        self.ssl = ssl
        self.mel = mel
        self.encoder = encoder
        if not isinstance(quantizer, nn.Module):
            quantizer = quantizer(dim=encoder.conv_out.out_channels)
        self.quantizer = quantizer
        self.global_encoder = global_encoder
        self.semantic_decoder = semantic_decoder
        self.acoustic_decoder = acoustic_decoder
        self.group_samples = group_samples
        self.sample_rate = mel.sample_rate
        self.vocab_size = self.mask_id = quantizer.vocab_size
        self.num_codebooks = quantizer.num_streams
        self.own_codes = True  # each stream's
        self.group_size = group_samples // mel.hop_length  # mel frames
        # The default embedding: the mean over the training data, or zeros.
        self.register_buffer("mean_embedding", torch.zeros(global_encoder.dim))

    def token_identity(self):
        """Everything on which tokens depend: settings, and a list of state dicts."""
        settings = (self.sample_rate, self.group_samples, *self.ssl.signature)
        return settings, [
            self.encoder.state_dict(),
            self.quantizer.state_dict(),
        ]

    @property
    def window_samples(self):
        """Samples to read at a time: whole steps."""
        steps = self.ssl.max_seconds * self.sample_rate // self.group_samples
        return int(steps) * self.group_samples

    @property
    def encoder_context(self):
        """Number of earlier steps on which a step's tokens depend."""
        reach, step = self.encoder.reach
        return math.ceil((reach + 2 * step) / step)

    @property
    def decoder_context(self):
        """Number of earlier steps on which a step's mel depends."""
        first, frame = self.semantic_decoder.reach
        second, step = self.acoustic_decoder.reach
        return math.ceil(first + (second + 2 * step) * frame)

    # Features

    def read_features(self, wavs, wav_lens=None):
        """Features of waveforms [B, T] in [-1, 1], each independent of the batch.

        Gives self-supervised features [B, F, D] and log-mel [B, M, n_mels], zero in
        the padding, and relative lengths [B] of both.
        """
        clips = self.split_clips(wavs, wav_lens)
        ssl = pad_sequence([self.read_ssl(clip) for clip in clips], True)
        mel = pad_sequence([self.mel(c[None])[0] for c in clips], True)
        return ssl, mel, relative_lengths(clips)

    def read_ssl(self, clip):
        """Self-supervised features [F, D] of a clip [T] of whole steps.

        A clip longer than the network's window is processed in pieces.
        """
        return torch.cat([self.ssl(c) for c in clip.split(self.window_samples)])

    # Features to tokens and an embedding

    @torch.no_grad()
    def encode_features(self, ssl, mel, lens=None):
        """Tokens int64 [B, N, S] and global embeddings [B, D] of features.

        They are self-supervised features [B, F, D] and a log-mel [B, M, n_mels],
        with relative lengths [B] over both if the batch is padded.
        """
        return self.tokenize(ssl), self.global_encoder.encode_each(mel, lens)

    def tokenize(self, ssl):
        """Self-supervised features [B, F, D] to tokens int64 [B, N, S]."""
        x = self.encoder(ssl.transpose(1, 2)).transpose(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            return self.quantizer.encode(x.float())

    def encode_clip(self, clip):
        """Tokens int64 [N, S] of a clip [T] of whole steps."""
        return self.tokenize(self.read_ssl(clip)[None])[0]

    def voice(self, clip):
        """Global embedding [1, D] of a clip [T] of whole steps."""
        return self.global_encoder.encode_each(self.mel(clip[None]))

    # Tokens to mel

    def embed(self, tokens):
        """Features [B, N, S, D'] of tokens; ``mask_id`` has zeros."""
        return self.quantizer.embed(tokens)

    def decode_quantized(self, q, g):
        """Self-supervised features [B, F, D] and log-mel [B, M, n_mels].

        Of quantized vectors [B, N, D] and global embeddings [B, D].
        """
        hidden = self._hidden(q, g)
        ssl = self.semantic_decoder.conv_out(hidden).transpose(1, 2)
        return ssl, self._mel(hidden, g)

    @torch.no_grad()
    def decode_mel(self, codes, embedding):
        """Log-mel [B, M, n_mels] of tokens in the voice of embeddings [B, D].

        Tokens are int64 [B, N, S'], the first S' streams, ``mask_id`` where one is
        not used; or [B, N], the first stream.
        """
        if codes.dim() == 2:
            codes = codes.unsqueeze(-1)
        with torch.autocast(codes.device.type, enabled=False):
            q = self.quantizer.decode(codes)
        return self._mel(self._hidden(q, embedding), embedding)

    def _hidden(self, q, g):
        """Hidden features of both outputs, [B, D, F]."""
        q = q + g.unsqueeze(1)
        return self.semantic_decoder.hidden(q.transpose(1, 2))

    def _mel(self, hidden, g):
        """Log-mel [B, M, n_mels]."""
        return self.acoustic_decoder(hidden + g.unsqueeze(-1)).transpose(1, 2)
