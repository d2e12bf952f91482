"""Versions of a clip to judge: recorded, coded, and with new fine tokens."""

import torch

from recipes.common.disturbances import generator

CLEAN = "clean"
RECORDED, CODED = "recording", "all tokens"
COARSE, GENERATED = "coarse tokens", "re-generated"
SYSTEMS = RECORDED, CODED, COARSE, GENERATED, "re-generated after a prompt"


class Versions:
    """Versions of a clip: a condition (clean or a disturbance) and a system.

    ``disturbed`` are versions of :func:`list_versions`, ``settings`` are those
    of ``convert_voice``, including the seed. ``parts`` maps the labels of
    versions to their condition and system.
    """

    def __init__(self, speech, disturbed, settings):
        self.speech, self.disturbed = speech, disturbed
        self.settings = settings
        self.parts = {
            f"{condition}, {system}": (condition, system)
            for condition in (CLEAN, *self.disturbed)
            for system in SYSTEMS
        }

    def by_condition(self):
        """Condition -> its labels, the recording first."""
        found = {}
        for label, (condition, _) in self.parts.items():
            found.setdefault(condition, []).append(label)
        return found

    @torch.no_grad()
    def make(self, label, key, wav, voice):
        """A version of a clip, [T], as long as the clip.

        ``wav`` is the clip and ``voice`` the prompt, [T] at the codec's rate;
        ``key`` is the clip's ID.
        """
        condition, system = self.parts[label]
        if condition != CLEAN:
            name, disturbance, setting = self.disturbed[condition]
            draw = generator(self.settings["seed"], key, name)
            rate = self.speech.sample_rate
            wav = disturbance.change(wav, rate, setting, draw, key)
        return self._through(system, wav.clamp(-1, 1), voice).cpu()

    def _through(self, system, wav, voice):
        """The audio [T] of one of ``SYSTEMS`` for a clip [T] and a prompt."""
        speech, codec = self.speech, self.speech.codec
        if system == RECORDED:
            return wav
        if system in (CODED, COARSE):  # Stage II keeps the coarse tokens
            tokens, _ = codec.encode_batch(wav)
            wavs, _ = codec.decode_batch(
                tokens,
                keep=codec.backbone_size if system == COARSE else None,
                seed=self.settings["seed"],
                num_samples=len(wav),
            )
            return wavs[0]
        if system == GENERATED:
            return speech.enhance(wav, **self.settings).wav
        return speech.convert_voice(wav, voice, **self.settings).wav
