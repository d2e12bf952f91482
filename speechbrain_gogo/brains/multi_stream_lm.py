"""The Brain that trains the language models of SoCodec and CoFi-Speech.

Tokens and reference embedding are computed from the target speech. The codec is
frozen, so with a cache folder each clip is encoded once.
"""

from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.brains.token_lm import TokenLMBrain
from speechbrain_gogo.dataio.features import FeatureCache
from speechbrain_gogo.lobes.nn.lengths import count_steps


class MultiStreamLMBrain(TokenLMBrain):
    """Trains ``modules.lm``, a MultiStreamLM or a ScaleLM.

    The recipe's YAML gives ``lm``, ``token_folder`` (or None) and what
    :class:`~speechbrain_gogo.brains.token_lm.TokenLMBrain` needs; the recipe
    adds ``codec``, a pretrained codec with embeddings, and ``draw_samples``, a
    function of the model, a folder and a function that writes audio to a path.
    Batches have ``id``, ``sig`` and ``text``.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        codec = self.codec = self.hparams.codec
        self.cache = None
        if self.hparams.token_folder is not None:
            self.cache = {
                kind: FeatureCache(
                    Path(self.hparams.token_folder) / kind,
                    codec.fingerprint,
                    dtype,
                )
                for kind, dtype in (
                    ("tokens", "int32"),
                    ("embeddings", "float32"),
                )
            }

    def level_names(self):
        """Numbers of the streams, from the coarsest level on."""
        codebooks = self.hparams.codec.levels.codebooks
        return [f"{number + 1}" for number in range(1 + max(codebooks))]

    # Tokens and embeddings

    def encode(self, batch):
        """Embeddings [B, D], tokens [B, N, S] and lengths [B] of a batch."""
        wavs, lens = batch.sig
        counts = count_steps(lens, wavs.shape[1]).tolist()
        found = [
            self.encode_clip(key, wav[:count])
            for key, wav, count in zip(batch.id, wavs, counts)
        ]
        embeddings, tokens = zip(*found)
        steps = torch.tensor([len(each) for each in tokens])
        tokens = pad_sequence(tokens, True).to(self.device)
        lens = (steps / steps.max()).to(self.device)
        return torch.stack(embeddings).to(self.device), tokens, lens

    def encode_clip(self, key, wav):
        """Embedding [D] and tokens [N, S] of a clip [T]."""
        if self.cache is not None:
            found = [cache.get(key) for cache in self.cache.values()]
            if None not in found:
                return found[1], found[0].long()
        tokens = self.codec.encode_batch(wav[None])[0][0]
        embedding = self.codec.speaker_embedding(wav[None])[0]
        if self.cache is not None:
            self.cache["tokens"].put(key, tokens)
            self.cache["embeddings"].put(key, embedding)
        return embedding, tokens

    # One update

    def compute_forward(self, batch, stage):
        """Output of the language model: "loss", and "nll" and "level", each [P]."""
        batch = batch.to(self.device)
        embeddings, tokens, lens = self.encode(batch)
        lm = self.unwrapped(self.modules.lm, stage)
        return lm(embeddings, *batch.text, tokens, lens)

    @torch.no_grad()
    def draw_samples(self, folder):
        """Audio and pictures of validation clips that the model speaks."""
        self.hparams.draw_samples(self.hparams.lm, folder, self.write_audio)
