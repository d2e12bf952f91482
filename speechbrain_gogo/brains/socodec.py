"""The Brain that trains SoCodec (Section 3.2.4).

With a cache folder, the frozen features of a clip are computed once. Validation
reports the errors of mel and features of the first k streams, as Figure 4 does
for other measures.
"""

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.brains.adversarial_codec import AdversarialCodecBrain
from speechbrain_gogo.dataio.features import FeatureCache
from speechbrain_gogo.lobes.adversarial_codec.clip_codec import relative_lengths
from speechbrain_gogo.lobes.nn.lengths import squared_error


class SoCodecBrain(AdversarialCodecBrain):
    """Trains SoCodec's objective with mel discriminators.

    The recipe's YAML gives what :class:`AdversarialCodecBrain` names, and
    ``feature_folder`` (or None).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cache = None
        if self.hparams.feature_folder is not None:
            signature = [self.codec.ssl.source, *self.codec.ssl.signature]
            self.cache = FeatureCache(self.hparams.feature_folder, signature)

    # Features

    def features(self, batch):
        """SSL features [B, F, D], log-mel [B, M, n_mels] and lengths [B]."""
        wavs, lens = batch.to(self.device).sig
        clips = self.codec.split_clips(wavs, lens)
        ssl = [self.clip_features(*each) for each in zip(batch.id, clips)]
        mel = [self.codec.mel(clip[None])[0] for clip in clips]
        lens = relative_lengths(clips)
        return pad_sequence(ssl, True), pad_sequence(mel, True), lens

    def clip_features(self, key, clip):
        """Self-supervised features [F, D] of a clip [T], read or computed."""
        if self.cache is None:
            return self.codec.read_ssl(clip)
        found = self.cache.get(key)
        if found is None or len(found) * 320 != len(clip):
            # As it will be read again, so that a resumed run has the same.
            found = self.cache.put(key, self.codec.read_ssl(clip))
        return found.to(self.device).float()

    @property
    def decoders(self):
        """What predicts the self-supervised features and the log-mel."""
        return self.codec.semantic_decoder, self.codec.acoustic_decoder

    # Validation

    def valid_errors(self, features, batch):
        """Errors of the features and the mel from the first k streams."""
        ssl, mel, lens = features
        codes, g = self.codec.encode_features(ssl, mel, lens)
        errors = {}
        for keep in self.hparams.valid_keeps:
            with torch.autocast(self.device_type, enabled=False):
                q = self.codec.quantizer.decode(codes[..., :keep])
            decoded, predicted = self.codec.decode_quantized(q, g)
            errors[f"semantic keep {keep}"] = squared_error(
                decoded, ssl, lens, "batch"
            )
            errors[f"mel keep {keep}"] = squared_error(
                predicted, mel, lens, "batch"
            )
        return {name: each.mean() for name, each in errors.items()}

    def decoded_mels(self, wav):
        """The original log-mel, and those of the first k streams."""
        ssl, mel, _ = self.codec.read_features(wav)
        codes, g = self.codec.encode_features(ssl, mel)
        mels = {"original": mel[0]}
        for keep in self.hparams.valid_keeps:
            (mel,) = self.codec.decode_mel(codes[..., :keep], g)
            mels[f"keep {keep}"] = mel
        return mels
