"""The Brain that trains CoFi-Codec (Section II-A).

Validation reports the mel error of the b coarsest scales, as Figure 2 does for
other measures.
"""

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.brains.adversarial_codec import AdversarialCodecBrain
from speechbrain_gogo.lobes.adversarial_codec.clip_codec import relative_lengths
from speechbrain_gogo.lobes.nn.lengths import squared_error


class CoFiCodecBrain(AdversarialCodecBrain):
    """Trains CoFi-Codec's objective with mel discriminators.

    The recipe's YAML gives what :class:`AdversarialCodecBrain` names.
    """

    def features(self, batch):
        """Log-mel [B, M, n_mels] and relative lengths [B] of a batch."""
        wavs, lens = batch.to(self.device).sig
        clips = self.codec.split_clips(wavs, lens)
        mel = [self.codec.mel(clip[None])[0] for clip in clips]
        return pad_sequence(mel, True), relative_lengths(clips)

    @property
    def decoders(self):
        """What predicts the log-mel."""
        return [self.codec.decoder]

    # Validation

    @torch.no_grad()
    def valid_errors(self, features, batch):
        """Mel errors of the b coarsest scales."""
        mel, lens = features
        g = self.codec.global_encoder.encode_each(mel, lens)
        decoded = self.decode_kept(self.codec.tokenize(mel, g), g)
        return {
            f"mel {name}": squared_error(predicted, mel, lens, "batch").mean()
            for name, predicted in decoded.items()
        }

    def decoded_mels(self, wav):
        """The original log-mel, and those of the b coarsest scales."""
        clip = self.codec.split_clips(wav)[0]
        g = self.codec.voice(clip)
        decoded = self.decode_kept(self.codec.encode(wav)[0], g)
        mels = {name: mel[0] for name, mel in decoded.items()}
        return {"original": self.codec.mel(clip[None])[0], **mels}

    def decode_kept(self, tokens, g):
        """Log-mel [B, M, n_mels] of tokens, by "keep b"."""
        levels = self.codec.levels
        return {
            f"keep {keep}": self.codec.decode_mel(
                tokens[..., : levels.num_kept(keep)], g
            )
            for keep in self.hparams.valid_keeps
        }
