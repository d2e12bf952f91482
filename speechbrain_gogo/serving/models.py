"""The served model, its voices, and the limits of requests."""

import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from speechbrain_gogo.inference.files.audio import READABLE_AUDIO
from speechbrain_gogo.serving.errors import ApiError

OWN_VOICE = "default"  # the name of the model's own voice
PROMPT = "prompt"  # of the voice of a recording that the request brings


@dataclass(frozen=True)
class Limits:
    """The largest requests.

    characters: of a text; bytes: of a body; seconds: of a recording that is
    encoded, and of tokens that are decoded; prompt_seconds: of a prompt; steps:
    of the flow, in which a job cannot be stopped.
    """

    characters: int = 4096
    bytes: int = 10_000_000
    seconds: float = 60.0
    prompt_seconds: float = 30.0
    steps: int = 128


@dataclass
class Served:
    """A model with its voices and limits.

    codec: a PretrainedCodec; speech: a PretrainedSpeech of that codec, or None;
    voices: name -> recording and what it says, besides the model's own voice;
    recognizer: of prompts without transcript, as in ``transcribe``.
    """

    codec: object
    speech: object = None
    voices: dict = field(default_factory=dict)
    recognizer: str | None = None
    limits: Limits = field(default_factory=Limits)
    since: int = field(default_factory=lambda: int(time.time()))
    # Recognisers hold one decoder, which threads would share.
    recognizing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self):
        """The model's name, for requests."""
        return Path(self.codec.name).name

    @property
    def all_voices(self):
        """Names of the voices, the model's own first if it has one."""
        own = self.speech is not None and self.speech.voice is not None
        return [OWN_VOICE] * own + list(self.voices)

    def check_model(self, name):
        """Raise an ApiError if a request asks for another model."""
        if name not in (None, self.name):
            raise ApiError(
                f"No model is called '{name}': here is '{self.name}'.",
                "model",
                "model_not_found",
                status=404,
            )

    def check_steps(self, steps):
        """Raise an ApiError if a request asks for too many steps of the flow."""
        if steps is not None and steps > self.limits.steps:
            raise ApiError(
                f"num_steps={steps}: {self.limits.steps} are the most.",
                "num_steps",
                "invalid_value",
            )

    def describe(self):
        """The model as an entry of OpenAI's list, with properties of its own."""
        codec, speech = self.codec, self.speech
        found = {
            "id": self.name,
            "object": "model",
            "created": self.since,
            "owned_by": "speechbrain_gogo",
            "sample_rate": codec.sample_rate,
            "group_rate": codec.group_rate,
            "backbone_size": codec.backbone_size,
            # Tokens of a group where so many levels are kept.
            "tokens_kept": [level.start + level.size for level in codec.levels],
            "bits_per_token": math.log2(codec.vocab_size),
            "samples": bool(codec.sampler),
            "allocates": "allocator" in codec.mods,
            "speaks": speech is not None,
            "allocates_speech": speech is not None and speech.allocates,
            "voices": self.all_voices,
            "limits": vars(self.limits),
        }
        if speech is not None:
            groups = speech.hparams.groups_per_character
            found["seconds_per_character"] = groups / codec.group_rate
            found["language"] = speech.front_end.language
        return found


def find_voices(folder):
    """Recordings of voices in a folder, with their transcripts.

    Of each voice the folder has NAME.wav (or .flac, .mp3 and so on) and
    NAME.txt. Returns a dict of NAME to the path of the recording and its
    transcript, sorted. Raises a ValueError if there are no voices, or one has
    no transcript.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "anna.wav").touch()
    >>> _ = (folder / "anna.txt").write_text("What Anna says.")
    >>> find_voices(folder)["anna"][1]
    'What Anna says.'
    """
    voices = {}
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() not in READABLE_AUDIO:
            continue
        text = path.with_suffix(".txt")
        if not text.is_file():
            raise ValueError(
                f"{path} has no transcript: write what it says to {text.name}."
            )
        if path.stem in (*voices, OWN_VOICE, PROMPT):
            raise ValueError(
                f"{path}: a voice cannot be called '{path.stem}', the name is "
                "taken."
            )
        voices[path.stem] = path, text.read_text(encoding="utf-8").strip()
    if not voices:
        raise ValueError(
            f"No voices in {folder}: put NAME.wav and NAME.txt there."
        )
    return voices
