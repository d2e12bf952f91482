"""Rewards of the numbers of tokens of each group (Eq. 10 and 11).

The utterance is decoded with each of the G uniform budgets from the same noise,
as one batch; the distance of a group is that of its own frames. The squared
norm of Eq. 10 is the sum over mel bins, its expectation the mean over the
frames of the group: with a mean over bins instead, distances would be a hundred
times smaller, and with the paper's weights the smallest budget would always
have the highest reward. Nothing here is trained.

Letters: B batch, N groups, K tokens per group, G choices, g frames per group,
d mel bins.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.fingerprint import hash_weights
from speechbrain_gogo.lobes.nn.precision import full_precision
from speechbrain_gogo.lobes.tokens.granular import keep_prefix


class ReconstructionReward(nn.Module):
    """R = lambda_n R_n + lambda_d R_d of every choice, for every group.

    Arguments
    ---------
    codec : Gogo
        Frozen.
    vocoder : torch.nn.Module
        Log-mel [B, T, d] to waveforms [B, T * hop]; the distance is then
        between mels of waveforms, as in Eq. 10. If None, the flow's mel is
        compared with the original, in a fraction of the time.
    token_weight : float
        lambda_n.
    distance_weight : float
        lambda_d.
    num_steps : int
        Flow steps of each decode; None for the codec's setting.
    guidance_scale : float
        Scale of classifier-free guidance; None for the codec's setting.
    """

    def __init__(
        self,
        codec,
        vocoder=None,
        token_weight=0.2,
        distance_weight=1.0,
        num_steps=4,
        guidance_scale=0.0,
    ):
        super().__init__()
        self.codec = codec.eval().requires_grad_(False)
        self.vocoder = vocoder
        if vocoder is not None:
            vocoder.eval().requires_grad_(False)
        self.token_weight = token_weight
        self.distance_weight = distance_weight
        self.num_steps = num_steps
        self.guidance_scale = guidance_scale
        self.register_buffer(
            "budgets",
            torch.arange(codec.backbone_size, codec.num_codebooks + 1),
            persistent=False,
        )

    def train(self, mode=True):
        """Stay in evaluation mode: nothing in here is trained."""
        del mode
        return super().train(False)

    @property
    def fingerprint(self):
        """16 hex digits that identify weights and distances of rewards."""
        weights = self.token_weight, self.distance_weight
        return hash_weights(metadata=repr((self.distance_fingerprint, weights)))

    @property
    def distance_fingerprint(self):
        """16 hex digits that identify the distances alone."""
        codec, flow = self.codec, self.codec.flow
        numbers = (
            *flow.sampler_signature(self.num_steps, self.guidance_scale),
            repr(self.vocoder),
            *codec.mel_signature,
            codec.quantizer.signature,
        )
        return hash_weights(self.state_dict(), metadata=repr(numbers))

    def weigh(self, distances):
        """Rewards of the choices, given their distances, both [..., G] (Eq. 11)."""
        tokens = self.token_weight * self.budgets
        return -tokens - self.distance_weight * distances

    @torch.no_grad()
    def forward(self, wavs, wav_lens, generator=None):
        """Rewards of a batch of waveforms [B, T] with relative lengths [B].

        They are computed in float32 without TF32, whatever the precision of the
        training: the policy has to learn from the tokens and the audio of inference.
        The generator of the flow's noise is on the CPU.

        Gives rewards [B, N, G], distances [B, N, G] (squared norms of log-mel
        differences per frame), token features [B, N, K, D], and relative lengths [B]
        over N.
        """
        with full_precision(wavs.device.type):
            return self._score(wavs, wav_lens, generator)

    def _score(self, wavs, wav_lens, generator):
        codec = self.codec
        groups, lens = codec.group(wavs, wav_lens)  # [B, N, g, d]
        q, _, _ = codec.quantize_batch(groups, lens)  # [B, N, K, D]
        noise = torch.randn(groups.flatten(1, 2).shape, generator=generator)
        made = self._decode(q, lens, noise.to(groups))  # [G, B, N, g, d]
        count = codec.count_samples(wavs, wav_lens)  # [B]
        if self.vocoder is None:
            mel = self._cut(made, groups, count)
        else:
            mel = self._vocoded(made, wavs.shape[1], count)
        distances = self.compare(
            codec.log_mel(mel), codec.log_mel(groups), lens
        )
        distances = distances.permute(1, 2, 0)  # [B, N, G]
        return self.weigh(distances), distances, q, lens

    def compare(self, made, mel, lens):
        """Distance [G, B, N] of each choice's log-mel (Eq. 10).

        Those of the choices are [G, B, N, g, d], those of the recordings
        [B, N, g, d], with relative lengths [B] over N.
        """
        return (made - mel).square().sum(-1).mean(-1)

    def _decode(self, q, lens, noise):
        """Normalized mel of every choice, [G, B, N, g, d]."""
        codec = self.codec
        budgets = self.budgets[:, None, None]
        choices = keep_prefix(q, budgets, codec.mask)  # [G, B, N, K, D]
        many = len(self.budgets)
        mel = codec.flow.sample(
            codec.align(choices.flatten(0, 1)),
            lens.repeat(many),
            noise.repeat(many, 1, 1),
            self.num_steps,
            self.guidance_scale,
        )
        return mel.unflatten(1, (-1, codec.group_size)).unflatten(0, (many, -1))

    def _cut(self, made, groups, count):
        """Mels without error after ``count`` samples, [G, B, N, g, d].

        The decoded audio is cut there, and digital silence, which no decoder
        makes, would outweigh the rest of the last group.
        """
        frames = torch.arange(groups[0, ..., 0].numel(), device=count.device)
        real = frames * self.codec.mel.hop_length < count.unsqueeze(1)
        real = real.unflatten(1, (-1, self.codec.group_size)).unsqueeze(-1)
        return torch.where(real, made, groups)

    def _vocoded(self, made, samples, count):
        """Mels of the vocoded audio of ``count`` samples, [G, B, N, g, d]."""
        codec, many = self.codec, len(self.budgets)
        audio = made.new_zeros(*made.shape[:2], samples)
        # One by one: frames of padding would change the end of an utterance.
        for place, own in enumerate(count.tolist()):
            mel = made[:, place, : codec.count_groups(own)].flatten(1, 2)
            wav = self.vocoder(codec.log_mel(mel))
            audio[:, place, :own] = wav[:, :own]
        mel, _ = codec.group(audio.flatten(0, 1))
        return mel.unflatten(0, (many, -1))
