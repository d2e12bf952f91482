"""The training objective of SoCodec (Section 3.2.4, Eq. 1 and 2)."""

import torch
from torch import nn


class SoCodecObjective(nn.Module):
    """Losses of a batch of features.

    Arguments
    ---------
    codec : SoCodecNetwork
        What is trained.
    vq_weight, semantic_weight, mel_weight : float
        lambda_1, lambda_2 and lambda_3; the adversarial term, lambda_4, is
        the Brain's, who has the discriminators.
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
        """Losses, and the log-mel that discriminators judge.

        Arguments
        ---------
        ssl : torch.Tensor
            Self-supervised features S, shape [B, F, D].
        mel : torch.Tensor
            Log-mel A, shape [B, M, n_mels].
        lens : torch.Tensor
            Relative lengths [B] over both.
        generator : torch.Generator
            Of Clip&Shuffle and nested dropout.
        continuous : bool
            Do not quantize yet.

        Returns
        -------
        dict
            Scalars "loss", "vq", "semantic" and "mel"; "predicted", the
            log-mel [B, M, n_mels]; "tokens", int64 [steps, S].
        """
        codec = self.codec
        g = codec.global_encoder(
            codec.global_encoder.clip_and_shuffle(mel, lens, generator)
        )
        z = codec.encoder(ssl.transpose(1, 2)).transpose(1, 2)
        q, tokens, vq = codec.quantizer(
            z,
            within(lens, z.shape[1]),
            generator=generator,
            continuous=continuous,
        )
        features, predicted = codec.decode_quantized(q, g)
        semantic = mean_square(features, ssl, lens)
        acoustic = mean_square(predicted, mel, lens)
        return {
            "loss": self.vq_weight * vq  # Eq. (1)
            + self.semantic_weight * semantic
            + self.mel_weight * acoustic,
            "vq": vq,
            "semantic": semantic,
            "mel": acoustic,
            "predicted": predicted,
            "tokens": tokens,
            "embedding": g,
        }


def within(lens, size):
    """Which of ``size`` steps are real: bool [B, size].

    Example
    -------
    >>> within(torch.tensor([0.5, 1.0]), 4).int().tolist()
    [[1, 1, 0, 0], [1, 1, 1, 1]]
    """
    count = (lens.double() * size).round()
    return torch.arange(size, device=lens.device) < count.unsqueeze(1)


def mean_square(predicted, target, lens):
    """Mean squared error of the real frames of [B, T, C]."""
    real = within(lens, target.shape[1])
    return (predicted[real].float() - target[real].float()).square().mean()
