"""The training objective of a small codec that predicts its mel in one pass.

It replaces the :class:`GogoObjective` of gogo.yaml, with the same call.

Letters: B batch, N groups, K tokens per group, M groups of a whole batch.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import squared_error


class RegressionObjective(nn.Module):
    """Error of the mel, optionally also of its envelopes and in a recogniser.

    Arguments
    ---------
    codec : Gogo
        Codec to train; its ``flow`` is a :class:`MelRegression`.
    nested_dropout : callable
        Makes a :class:`NestedDropout` from ``num_levels`` and ``mask``.
    keeps : list of int
        Numbers of tokens to keep, one of which is drawn for each utterance. A
        repeated number is drawn more often.
    hearing : HearingLoss
        None trains without.
    hearing_weight : float
        Weight of that loss.
    envelopes : EnvelopeLoss
        None trains without.
    envelope_weight : float
        Weight of that loss.
    """

    def __init__(
        self,
        codec,
        nested_dropout,
        keeps,
        hearing=None,
        hearing_weight=0.5,
        envelopes=None,
        envelope_weight=2.0,
    ):
        super().__init__()
        self.codec = codec
        self.nested_dropout = nested_dropout(codec.num_codebooks, codec.mask)
        self.hearing = hearing
        self.hearing_weight = hearing_weight
        self.envelopes = envelopes
        self.envelope_weight = envelope_weight
        self.register_buffer("keeps", torch.tensor(keeps), persistent=False)

    def forward(
        self, wavs, wav_lens, text=None, text_lens=None, generator=None
    ):
        """All losses of a batch, a dict.

        Arguments as in GogoObjective.forward; texts are not used. Gives "loss" and
        its parts "mel" and, if there are these, "hearing" and "envelopes", scalars;
        and "tokens" int64 [M, K] of all groups.
        """
        codec = self.codec
        groups, lens = codec.group(wavs, wav_lens)  # [B, N, g, d]
        q, _, tokens = codec.quantize_batch(groups, lens)
        drawn = torch.randint(len(self.keeps), (len(q),), generator=generator)
        q, _ = self.nested_dropout(q, self.keeps[drawn.to(self.keeps.device)])
        mel = groups.flatten(1, 2)  # [B, N * g, d]
        predicted = codec.flow.backbone(codec.align(q), lens).float()
        losses = {"mel": squared_error(predicted, mel, lens)}
        loss = losses["mel"]
        log_mels = codec.log_mel(predicted), codec.log_mel(mel)
        if self.hearing is not None:
            losses["hearing"] = self.hearing(*log_mels).mean()
            loss = loss + self.hearing_weight * losses["hearing"]
        if self.envelopes is not None:
            losses["envelopes"] = self.envelopes(*log_mels, lens).mean()
            loss = loss + self.envelope_weight * losses["envelopes"]
        return {"loss": loss, "tokens": tokens, **losses}
