"""What can stand in a reconstruction table: systems behind one interface.

A system has a ``name``, a ``sample_rate``, a ``vocab_size``, ``settings`` that
decide its output (its weights by a fingerprint), ``token_rate(**options)`` in
tokens per second, ``reconstruct(wavs, wav_lens, **options)`` and, where groups
may get different numbers of tokens, ``plan_budgets(utterances, ...)``. Here is
Gogo; baselines join it.
"""

import hashlib

import torch
from budgets import mean_budget, plan_budgets
from torch.nn import functional as F

from speechbrain_gogo.inference import GogoCodec


class GogoSystem:
    """Gogo, at any number of tokens per group, or its vocoder alone.

    Arguments
    ---------
    source : str
        Folder, hub id or bundled name of a codec.
    run_opts : dict
        SpeechBrain's, such as ``{"device": "cuda"}``.
    num_steps : int
        Steps of the flow; the model's own number if None.
    guidance_scale : float
        Of classifier-free guidance; the model's own if None.
    seed : int
        Of the flow's noise.
    """

    def __init__(
        self,
        source,
        run_opts=None,
        num_steps=None,
        guidance_scale=None,
        seed=0,
    ):
        self.codec = GogoCodec.from_hparams(source, run_opts=run_opts)
        self.name = self.codec.name
        self.sampling = {
            "num_steps": num_steps,
            "guidance_scale": guidance_scale,
            "seed": seed,
        }
        self.sample_rate = self.codec.sample_rate
        self.vocab_size = self.codec.vocab_size
        self.settings = {"weights": self._hash_weights(), **self.sampling}

    def _hash_weights(self):
        """16 hex digits for encoder, decoder and vocoder together.

        The codec's own fingerprint is about its tokens: it knows neither
        decoder nor vocoder. What the allocator decides are the options.
        """
        digest = hashlib.sha256()
        for key, value in sorted(self.codec.state_dict().items()):
            if key.startswith("mods.allocator."):
                continue
            digest.update(key.encode())
            digest.update(value.float().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def token_rate(self, keep=None, vocoder_only=False):
        """Tokens per second; none where only the vocoder is at work."""
        if vocoder_only:
            return None
        kept = self.codec.num_codebooks if keep is None else mean_budget(keep)
        return self.codec.group_rate * kept

    def plan_budgets(self, utterances, names, target_rate, seed):
        """Budgets of all groups of the test set, see budgets.py."""
        sampler = {
            key: self.sampling[key] for key in ("num_steps", "guidance_scale")
        }
        return plan_budgets(
            self.codec, utterances, names, target_rate, seed, **sampler
        )

    def reconstruct(self, wavs, wav_lens, keep=None, vocoder_only=False):
        """Encode and decode.

        Arguments
        ---------
        wavs : torch.Tensor
            [B, T] at ``sample_rate``.
        wav_lens : torch.Tensor
            Relative lengths, [B].
        keep : int | torch.Tensor
            Tokens of each group that are decoded, or int64 [B, N]: of each
            one; all if None.
        vocoder_only : bool
            Give the vocoder the true mel instead of the decoded one.

        Returns
        -------
        torch.Tensor
            [B, T].
        """
        if vocoder_only:
            return self._vocode(wavs)
        tokens, lens = self.codec.encode_batch(wavs, wav_lens)
        decoded, _ = self.codec.decode_batch(
            tokens,
            lens,
            keep=keep,
            num_samples=wavs.shape[1],
            **self.sampling,
        )
        return decoded

    @torch.no_grad()
    def _vocode(self, wavs):
        """[B, T] -> mel -> [B, T], without the codec."""
        mel, samples = self.codec.codec.mel, wavs.shape[1]
        padded = F.pad(wavs, (0, -samples % mel.hop_length))
        features = mel(padded.to(next(self.codec.parameters()).device))
        return self.codec.vocoder(features)[:, :samples]
