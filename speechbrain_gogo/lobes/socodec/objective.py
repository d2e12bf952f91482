"""The training objective of SoCodec (Section 3.2.4, Eq. 1 and 2)."""

from torch import nn

from speechbrain_gogo.lobes.nn.lengths import length_mask, squared_error


class SoCodecObjective(nn.Module):
    """Losses of a batch of features.

    Arguments
    ---------
    codec : SoCodecNetwork
        Codec to train.
    vq_weight, semantic_weight, mel_weight : float
        lambda_1, lambda_2 and lambda_3. The adversarial term, lambda_4, is
        computed by the Brain, which has the discriminators.
    """

    def __init__(
        self, codec, vq_weight=1.0, semantic_weight=1000.0, mel_weight=10.0
    ):
        super().__init__()
        self.codec = codec
        self.vq_weight = vq_weight
        self.semantic_weight = semantic_weight
        self.mel_weight = mel_weight

    def forward(self, ssl, mel, lens, generator=None, continuous=False):
        """Losses, and the predicted log-mel for the discriminators, a dict.

        Self-supervised features S are [B, F, D], the log-mel A is [B, M, n_mels],
        both with relative lengths [B]; the generator is that of Clip&Shuffle and
        nested dropout. ``continuous``, at the start of the training, skips
        quantization.

        Gives scalars "loss", "vq", "semantic" and "mel"; "predicted", the log-mel
        [B, M, n_mels]; "embedding", [B, D]; and "ids", those of each stream by its
        name, int64 [steps].
        """
        codec = self.codec
        g = codec.global_encoder(
            codec.global_encoder.clip_and_shuffle(mel, lens, generator)
        )
        z = codec.encoder(ssl.transpose(1, 2)).transpose(1, 2)
        q, tokens, vq = codec.quantizer(
            z,
            length_mask(lens, z.shape[1]),
            generator=generator,
            continuous=continuous,
        )
        features, predicted = codec.decode_quantized(q, g)
        semantic = squared_error(features, ssl, lens)
        acoustic = squared_error(predicted, mel, lens)
        return {
            "loss": self.vq_weight * vq  # Eq. (1)
            + self.semantic_weight * semantic
            + self.mel_weight * acoustic,
            "vq": vq,
            "semantic": semantic,
            "mel": acoustic,
            "predicted": predicted,
            "embedding": g,
            "ids": {f"stream {s}": ids for s, ids in enumerate(tokens.T, 1)},
        }
