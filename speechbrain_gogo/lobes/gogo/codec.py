"""The Gogo codec as one module.

Section 3.1 of the Gogo paper, the parts used at inference: waveform -> mel ->
groups -> queries -> tokens (Eq. 1), tokens -> aligned features -> mel (Eq. 2).
The vocoder is a separate module with its own training; the training objective is
in objective.py.

Letters: B batch, N groups, K tokens per group, g frames per group, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.encoder.windowed_encoding import (
    WindowedEncoding,
)
from speechbrain_gogo.lobes.nn.lengths import length_mask


class Gogo(WindowedEncoding):
    """Group-wise granularity-ordered codec, from waveform to mel and back.

    Arguments
    ---------
    mel : VocosMel
        Features of the waveform.
    encoder : GroupEncoder | FrameEncoder | callable
        Groups of frames to query features; or a factory of the encoder, for
        YAMLs that override another YAML's encoder.
    quantizer : FSQ | ResidualVQ | callable
        Query features to tokens; or its factory, called with ``dim``, for YAMLs
        that override another YAML's quantizer.
    flow : ConditionalFlowMatching
        Token features to mel.
    backbone_size : int
        Coarse tokens b that Stage I of GogoSpeech generates.
    mel_mean, mel_std, mel_floor, mel_power : float
        Normalization of the mel, see
        :class:`~speechbrain_gogo.lobes.gogo.grouping.MelGroups`.
    chunk_size, window_size : int
        See :class:`WindowedEncoding`.

    Example
    -------
    >>> from speechbrain_gogo.lobes.gogo.quantizer import FSQ
    >>> from speechbrain_gogo.lobes.gogo.dit import DiT
    >>> from speechbrain_gogo.lobes.gogo.encoder.group_encoder import GroupEncoder
    >>> from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
    >>> from speechbrain_gogo.lobes.gogo.mel import VocosMel
    >>> codec = Gogo(
    ...     VocosMel(),
    ...     GroupEncoder(dim=32, num_layers=2, num_heads=2, ffn_dim=64),
    ...     FSQ([8, 8, 8, 5, 5], dim=32),
    ...     ConditionalFlowMatching(DiT(100, 32, 32, 2, 2)),
    ... )
    >>> tokens, lens = codec.encode(torch.randn(2, 24000))
    >>> tokens.shape
    torch.Size([2, 5, 10])
    >>> codec.decode_mel(tokens, num_steps=2).shape
    torch.Size([2, 100, 100])
    """

    def __init__(
        self,
        mel,
        encoder,
        quantizer,
        flow,
        backbone_size=3,
        mel_mean=0.0,
        mel_std=1.0,
        mel_floor=None,
        mel_power=None,
        chunk_size=None,
        window_size=256,
    ):
        if not isinstance(encoder, nn.Module):
            encoder = encoder()
        super().__init__(
            mel,
            encoder.group_size,
            mel_mean,
            mel_std,
            mel_floor,
            mel_power,
            chunk_size=chunk_size,
            window_size=window_size,
        )
        if not isinstance(quantizer, nn.Module):
            quantizer = quantizer(dim=encoder.dim)
        if quantizer.residual and encoder.num_queries > 1:
            raise ValueError(
                "A residual quantizer codes one feature of each group: set "
                f"num_queries of the encoder to 1, not {encoder.num_queries}."
            )
        self.encoder = encoder
        self.quantizer = quantizer
        self.flow = flow
        self.backbone_size = backbone_size
        self.vocab_size = self.mask_id = quantizer.codebook_size
        # Each level of a residual quantizer has a codebook of its own.
        self.own_codes = quantizer.residual
        queries, dim = encoder.num_queries, quantizer.dim
        self.num_codebooks = queries * quantizer.tokens_per_feature
        if quantizer.residual:  # m adds nothing
            self.register_buffer("mask", torch.zeros(dim))
        else:
            self.mask = nn.Parameter(0.02 * torch.randn(dim))  # m
        # Added to every position of a group: the decoder's attention has
        # relative positions only, and this identifies level or frame. On the
        # last g - n_q positions it is the placeholder of Eq. (2).
        self.places = nn.Parameter(0.5 * torch.randn(self.group_size, dim))

    def token_identity(self):
        """Everything on which tokens depend: numbers, and a list of state dicts."""
        numbers = (
            self.sample_rate,
            self.group_size,
            *self.mel_signature,
            *self.quantizer.signature,
        )
        parts = self.encoder, self.quantizer
        return numbers, [part.state_dict() for part in parts]

    def quantize(self, groups, real, num_tokens=None):
        """Tokens of the real groups of a padded batch (Eq. 1).

        Groups are a normalized mel [B, N, g, d]; padding, where ``real``, bool
        [B, N], is False, is not computed. Gives quantized features [M, K, D] and
        ids int64 [M, K] of the first ``num_tokens`` tokens of each, in the order of
        ``groups[real]``.
        """
        queries = None if self.quantizer.residual else num_tokens
        features = self.encoder.encode_batch(groups, real, queries)
        with torch.autocast(features.device.type, enabled=False):
            q, tokens = self.quantizer(features.float())
        return q[:, :num_tokens], tokens[:, :num_tokens].long()

    def quantize_batch(self, groups, lens):
        """Quantized features of normalized mel groups [B, N, g, d], lengths [B].

        Gives features [B, N, K, D], zero in the padding; those of the M real groups,
        [M, K, D]; and their token ids, int64 [M, K].
        """
        real = length_mask(lens, groups.shape[1])  # [B, N]
        found, tokens = self.quantize(groups, real)
        q = found.new_zeros(*real.shape, *found.shape[1:])
        return q.masked_scatter(real[..., None, None], found), found, tokens

    def embed(self, tokens):
        """Features [B, N, K, D] of tokens int64 [B, N, K]; ``mask_id`` gives m."""
        masked = tokens == self.mask_id
        ids = torch.where(masked, 0, tokens)
        q = self.quantizer.embed(ids)  # [B, N, K, D]
        return torch.where(masked.unsqueeze(-1), self.mask.to(q), q)

    def combine(self, q):
        """Token features [B, N, K, D] as input of decoder and ASR head.

        The same; of a residual quantizer, the sum: [B, N, 1, D].
        """
        return q.sum(2, keepdim=True) if self.quantizer.residual else q

    def align(self, q):
        """Token features [B, N, K, D] aligned with frames, [B, N * g, D] (Eq. 2).

        Each group has its tokens, then placeholders.
        """
        q = self.combine(q)
        rest = self.group_size - q.shape[2]
        aligned = F.pad(q, (0, 0, 0, rest)) + self.places  # [B, N, g, D]
        return aligned.flatten(1, 2)

    def decode_mel(
        self, tokens, lens=None, noise=None, num_steps=None, guidance_scale=None
    ):
        """Log-mel [B, N * g, d] of tokens int64 [B, N, K], as one window of attention.

        ``mask_id`` stands where a token is not used; relative lengths [B] are over
        N. ``noise`` is standard normal, [B, N * g, d]. Number of flow steps and
        scale of classifier-free guidance are the flow's by default.
        """
        missing = self.num_codebooks - tokens.shape[2]
        tokens = F.pad(tokens, (0, missing), value=self.mask_id)
        condition = self.align(self.embed(tokens))
        mel = self.flow.sample(
            condition, lens, noise, num_steps, guidance_scale
        )
        return self.log_mel(mel)
