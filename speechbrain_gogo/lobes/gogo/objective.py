"""The training objective of Gogo (Eq. 4), auxiliary networks included.

One forward pass computes every loss, because a distributed wrapper only wraps
the forward method of a module.

Letters: B batch, N groups, K tokens per group, M groups of a whole batch.
"""

import torch
from torch import nn


class GogoObjective(nn.Module):
    """The loss of Eq. 4, whose forward trains every part jointly.

    Arguments
    ---------
    codec : Gogo
        Codec to train.
    nested_dropout : callable
        Makes a :class:`NestedDropout` from ``num_levels`` and ``mask``; None
        trains with all tokens.
    balancer : LossBalancer
        Weights of Eq. 5 from the number of kept tokens; None: both are 1, their
        mean.
    ar_prior : ARPrior
        Eq. 17; None trains without.
    asr_head : ASRHead
        Eq. 18; None trains without.
    ar_weight : float
        lambda_AR.
    asr_weight : float
        Multiplies lambda_ASR; 1 is the paper.
    """

    def __init__(
        self,
        codec,
        nested_dropout,
        balancer,
        ar_prior=None,
        asr_head=None,
        ar_weight=0.06,
        asr_weight=1.0,
    ):
        super().__init__()
        if ar_prior is not None and codec.num_codebooks == 1:
            raise ValueError(
                "The AR prior predicts a token from the coarser ones of its "
                "group, and groups have one token: set ar_prior to null."
            )
        self.codec = codec
        self.nested_dropout = None
        if nested_dropout is not None:
            levels = codec.num_codebooks
            self.nested_dropout = nested_dropout(levels, codec.mask)
        else:
            codec.mask.requires_grad_(False)  # it is never used
        self.balancer = balancer
        self.ar_prior = ar_prior
        self.asr_head = asr_head
        self.ar_weight = ar_weight
        self.asr_weight = asr_weight

    def forward(
        self, wavs, wav_lens, text=None, text_lens=None, generator=None
    ):
        """All losses of a batch of waveforms [B, T] with relative lengths [B].

        ``text`` are ids int64 [B, L] with relative lengths; None leaves out the ASR
        loss. The generator is that of all random numbers, on the CPU.

        Gives a dict: "loss" (Eq. 4) and its parts "cfm", "ar", "asr" and, of a
        vector quantizer, "commitment", scalars; and "tokens" int64 [M, K] of all
        groups.
        """
        codec = self.codec
        groups, lens = codec.group(wavs, wav_lens)
        q, found, tokens = codec.quantize_batch(groups, lens)
        n_keep = torch.full(q.shape[:1], codec.num_codebooks, device=q.device)
        if self.nested_dropout is not None:
            q, n_keep = self.nested_dropout(q, generator=generator)
        cfm_weight = asr_weight = 1.0
        if self.balancer is not None:
            cfm_weight, asr_weight = self.balancer(n_keep)  # Eq. (5)

        mel = groups.flatten(1, 2)
        cfm = self.decoder_loss(mel, codec.align(q), lens, generator)
        losses = {"cfm": cfm.mean()}
        loss = (cfm_weight * cfm).mean()
        if self.ar_prior is not None:
            losses["ar"] = self.ar_prior(self.prior_input(found))
            loss = loss + self.ar_weight * losses["ar"]
        if self.asr_head is not None and text is not None:
            asr = self.asr_head(codec.combine(q), lens, text, text_lens)
            losses["asr"] = asr.mean()
            loss = loss + self.asr_weight * (asr_weight * asr).mean()
        if codec.quantizer.commitment is not None:
            losses["commitment"] = codec.quantizer.commitment
            loss = loss + losses["commitment"]
        return {"loss": loss, "tokens": tokens, **losses}

    def decoder_loss(self, mel, cond, lens, generator):
        """Loss of the decoder for each utterance [B], Eq. 3."""
        return self.codec.flow(
            mel, cond, lens, reduction="batch", generator=generator
        )

    def prior_input(self, found):
        """The quantized features that the AR prior is trained on."""
        return found
