"""Synthesisers of training data: espeak-ng and voices of Piper.

Both have methods to draw voices and to read sentences.
"""

import io
import random
import re
import shutil
import subprocess
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch


class EspeakVoice(NamedTuple):
    """One of espeak-ng's voices as a speaker.

    pitch: 0 to 99; rate: words per minute; noise: standard deviation of the
    background noise.
    """

    name: str
    voice: str
    pitch: int
    rate: int
    noise: float


class Espeak:
    """espeak-ng: any number of synthetic-sounding speakers.

    A voice has one of the languages and one of the variants; the other settings
    are the smallest and the largest value, see :class:`EspeakVoice`. It is an
    error if espeak-ng or one of its voices is missing.
    """

    def __init__(self, languages, variants, pitches, rates, noises):
        self.languages, self.variants = languages, variants
        self.pitches, self.rates, self.noises = pitches, rates, noises
        if shutil.which("espeak-ng") is None:
            raise ValueError(
                "espeak-ng is not installed: apt-get install espeak-ng, or "
                "brew install espeak-ng, or see "
                "github.com/espeak-ng/espeak-ng."
            )
        known = re.findall(r"^ *\d+ +(\S+)", self._list("en"), re.MULTILINE)
        known_variants = re.findall(r"!v/(\S+)", self._list("variant"))
        unknown = sorted(
            {*languages}.difference(known)
            | {*variants}.difference(known_variants)
        )
        if unknown:
            raise ValueError(f"espeak-ng has no English voice named {unknown}.")

    @staticmethod
    def _list(kind):
        """espeak-ng's list of voices of a language, or of variants."""
        command = ["espeak-ng", f"--voices={kind}"]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout

    def draw_voices(self, number, seed):
        """Draw a number of voices within the bounds."""
        generator = random.Random(f"{seed}/voices")
        voices = []
        for place in range(number):
            language = generator.choice(self.languages)
            variant = generator.choice(self.variants)
            pitch = generator.randint(*self.pitches)
            rate = generator.randint(*self.rates)
            noise = round(generator.uniform(*self.noises), 5)
            name, voice = f"espeak{place:03d}", f"{language}+{variant}"
            voices.append(EspeakVoice(name, voice, pitch, rate, noise))
        return voices

    def speak(self, voice, text):
        """Read a text aloud; [T], empty without speech, and its rate in Hz.

        Noise is added, which depends on voice and text: recordings are never
        digitally silent, and recognisers fail on digital silence.
        """
        made = subprocess.run(
            ["espeak-ng", "-v", voice.voice, "-p", str(voice.pitch)]
            + ["-s", str(voice.rate), "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            check=True,
        )
        wav, rate = soundfile.read(io.BytesIO(made.stdout), dtype="float32")
        if not wav.any():
            return torch.zeros(0), rate
        key = zlib.crc32(repr((*voice, text)).encode())
        noise = torch.Generator().manual_seed(key)
        noise = torch.randn(len(wav), generator=noise)
        return torch.from_numpy(wav) + voice.noise * noise, rate


class PiperVoice(NamedTuple):
    """A voice of Piper and how it reads.

    pace: duration of its sounds relative to training; noise, rhythm: how much
    the sounds and their durations vary.
    """

    name: str
    pace: float
    noise: float
    rhythm: float


class Piper:
    """Neural voices of the piper-tts package, one speaker for each file.

    Piper takes no seed: two runs give different recordings of the same text.
    Files are ONNX, each with its settings in ``<file>.json``, and their names
    are those of the speakers; the other settings are the smallest and the
    largest value, see :class:`PiperVoice`.
    """

    def __init__(self, voice_files, paces, noises, rhythms):
        self.voice_files = {Path(file).stem: str(file) for file in voice_files}
        if not 0 < len(self.voice_files) == len(voice_files):
            raise ValueError(
                f"voice_files={[*map(str, voice_files)]}: give one file or "
                "more, each of another name."
            )
        self.paces, self.noises, self.rhythms = paces, noises, rhythms
        try:
            import piper
        except ImportError as error:
            raise ValueError(
                "piper-tts is not installed: pip install piper-tts."
            ) from error
        for file in self.voice_files.values():
            if not (Path(file).is_file() and Path(f"{file}.json").is_file()):
                raise ValueError(
                    f"voice_files: {file} and {file}.json have to be files."
                )
        self.piper, self.loaded = piper, {}
        self.lock = threading.Lock()

    def draw_voices(self, number, seed):
        """Draw a number of settings, alternating between the voices."""
        generator = random.Random(f"{seed}/voices")
        voices = []
        for place in range(number):
            name = [*self.voice_files][place % len(self.voice_files)]
            bounds = self.paces, self.noises, self.rhythms
            drawn = (round(generator.uniform(*pair), 3) for pair in bounds)
            voices.append(PiperVoice(name, *drawn))
        return voices

    def _load(self, file):
        """Load a voice whose calls take one thread each.

        ONNX Runtime's own threads would compete with those of ``num_workers``.
        """
        import onnxruntime

        model = self.piper.PiperVoice.load(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = model.session.get_providers()
        model.session = onnxruntime.InferenceSession(file, options, providers)
        return model

    def speak(self, voice, text):
        """Read a text aloud, as :meth:`Espeak.speak` does."""
        with self.lock:  # one thread loads it
            if voice.name not in self.loaded:
                file = self.voice_files[voice.name]
                self.loaded[voice.name] = self._load(file)
        settings = self.piper.SynthesisConfig(
            length_scale=voice.pace,
            noise_scale=voice.noise,
            noise_w_scale=voice.rhythm,
        )
        model = self.loaded[voice.name]
        parts = [
            torch.from_numpy(chunk.audio_float_array)
            for chunk in model.synthesize(text, settings)
        ]
        wav = torch.cat(parts) if parts else torch.zeros(0)
        return wav, model.config.sample_rate
