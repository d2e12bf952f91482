"""The training objective of CoFi-Codec (Section II-A, Eq. 1)."""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import length_mask, squared_error


class CoFiObjective(nn.Module):
    """Losses of a batch of log-mel.

    Arguments
    ---------
    codec : CoFiCodecNetwork
        Codec to train.
    scale_dropout : ScaleDropout
        Chooses the scales of an utterance to mask.
    vq_weight, mel_weight : float
        lambda_vq and lambda_reg. The adversarial term, lambda_adv, is computed
        by the Brain, which has the discriminators.
    """

    def __init__(self, codec, scale_dropout, vq_weight=1.0, mel_weight=1.0):
        super().__init__()
        scales = len(scale_dropout.probabilities)
        if scales != len(codec.levels):
            raise ValueError(
                f"scale_dropout has {scales} probabilities, the codec "
                f"{len(codec.levels)} scales: give one for each."
            )
        self.codec = codec
        self.scale_dropout = scale_dropout
        self.vq_weight = vq_weight
        self.mel_weight = mel_weight

    def forward(self, mel, lens, generator=None, continuous=False):
        """Losses, and the predicted log-mel for the discriminators, a dict.

        ``mel`` is a log-mel [B, M, n_mels] of whole groups with relative lengths
        [B]; the generator is that of Clip&Shuffle and both nested dropouts.
        ``continuous``, at the start of the training, skips quantization.

        Gives scalars "loss", "vq" and "mel"; "predicted", the log-mel
        [B, M, n_mels]; "embedding", [B, C]; and "ids", a dict from the name of a
        stream to its token ids, int64 [steps].
        """
        codec, encoder = self.codec, self.codec.global_encoder
        g = encoder(encoder.clip_and_shuffle(mel, lens, generator))
        sequences = codec.encoder(mel)
        kept = self.scale_dropout.draw(len(mel), generator).to(mel.device)
        d, commitments, ids = torch.zeros_like(sequences[-1]), [], {}
        for rank, (quantizer, place) in enumerate(codec.coarse_to_fine()):
            residual = sequences[place].float() - d.float()  # e^i - d^i
            real = length_mask(lens, residual.shape[1])
            q, found, commitment = quantizer(
                residual, real, generator=generator, continuous=continuous
            )
            commitments.append(commitment)
            q = q * (rank < kept)[:, None, None]  # masked scales are zeros
            d = codec.decoder.step(place, d, q, g)
            for stream, of_stream in enumerate(found.T, 1):
                ids[f"{codec.levels[rank].name}, stream {stream}"] = of_stream
        predicted = codec.decoder(d)
        vq = torch.stack(commitments).mean()
        error = squared_error(predicted, mel, lens)
        return {
            "loss": self.vq_weight * vq + self.mel_weight * error,  # Eq. (1)
            "vq": vq,
            "mel": error,
            "predicted": predicted,
            "embedding": g,
            "ids": ids,
        }
