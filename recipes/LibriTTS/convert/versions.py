"""Versions of a clip to judge: recorded, coded, and with new fine tokens."""

import torch

from recipes.common.disturbances import generator

CLEAN = "clean"
RECORDED, CODED = "recording", "all tokens"


def record(speech, wav, voice, settings):
    """The audio itself, [T]."""
    return wav


def code(speech, wav, voice, settings, keep=None):
    """The audio, encoded and decoded."""
    tokens, _ = speech.codec.encode_batch(wav)
    wavs, _ = speech.codec.decode_batch(
        tokens, keep=keep, seed=settings["seed"], num_samples=len(wav)
    )
    return wavs[0]


def code_coarsely(speech, wav, voice, settings):
    """The audio, decoded from the tokens that Stage II keeps."""
    return code(speech, wav, voice, settings, speech.codec.backbone_size)


def generate(speech, wav, voice, settings):
    """The audio, with fine tokens that Stage II generates from the coarse ones."""
    return speech.enhance(wav, **settings).wav


def generate_after(speech, wav, voice, settings):
    """As :func:`generate`, after the tokens of another clip, the prompt."""
    return speech.convert_voice(wav, voice, **settings).wav


SYSTEMS = {
    RECORDED: record,
    CODED: code,
    "coarse tokens": code_coarsely,
    "re-generated": generate,
    "re-generated after a prompt": generate_after,
}


class Versions:
    """Versions of a clip: a condition (clean or a disturbance) and a system.

    ``disturbed`` are versions of :func:`list_versions`, ``settings`` are those
    of ``convert_voice``, including the seed. ``parts``
    maps the labels of versions to their condition and system.
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
        made = SYSTEMS[system](
            self.speech, wav.clamp(-1, 1), voice, self.settings
        )
        return made.cpu()
