"""Speaking beside Piper and Kokoro, decoding beside EnCodec and Mimi.

    python -m bench peers --piper voice.onnx --kokoro kokoro-int8.onnx,voices.npz

All systems run in one process of one thread and take turns in every round, so
that other work on the machine affects all of them. Needs `pip install piper-tts
kokoro-onnx` for the voices that are given; EnCodec and Mimi have random weights.
"""

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import onnxruntime
import torch
import typer
from codec import pin
from parts.bench_systems import EnCodec, Mimi, noise
from parts.speech_parts import PROMPT_TEXT
from tqdm import trange

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.metrics.timing import SENTENCE, Clock, device_name

ROOT = Path(__file__).resolve().parent.parent
DECODED_SECONDS = 10


class GogoVoice:
    """Text to speech by a GogoSpeech; the prompt is part of the time."""

    def __init__(self, speech):
        self.speech, self.name = speech, "GogoSpeech"
        self.prompt = noise(3, speech.sample_rate)[0]

    def chunks(self, text):
        """Audio of a text as it becomes ready, each with its seconds."""
        stream = self.speech.stream_voice(text, self.prompt, PROMPT_TEXT)
        for chunk in stream:
            yield len(chunk) / self.speech.sample_rate


class PiperVoice:
    """Text to speech by Piper, which streams sentence by sentence."""

    name = "Piper"

    def __init__(self, model):
        import piper

        self.voice = piper.PiperVoice.load(model)
        self.voice.session = session(model)

    def chunks(self, text):
        """Audio of a text as it becomes ready, each with its seconds."""
        for chunk in self.voice.synthesize(text):
            yield len(chunk.audio_float_array) / chunk.sample_rate


class KokoroVoice:
    """Text to speech by Kokoro, a sentence at a time."""

    name = "Kokoro"

    def __init__(self, model, voices):
        import kokoro_onnx

        self.kokoro = kokoro_onnx.Kokoro.from_session(session(model), voices)

    def chunks(self, text):
        """Audio of a text as it becomes ready, each with its seconds."""
        voice = self.kokoro.get_voices()[0]
        wav, sample_rate = self.kokoro.create(text, voice=voice)
        yield len(wav) / sample_rate


def session(model):
    """A session of ONNX Runtime with a single thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"]
    )


def time_voice(voice, clock):
    """Real-time factor and seconds to the first sound of one sentence."""
    start = clock.now()
    first, seconds = None, 0.0
    for spoken in voice.chunks(SENTENCE):
        seconds += spoken
        first = clock.now() - start if first is None else first
    return {"RTF": (clock.now() - start) / seconds, "first sound, s": first}


def time_decoding(codec, tokens, clock):
    """Real-time factor of decoding."""
    start = clock.now()
    codec.decode(tokens)
    return {"RTF": (clock.now() - start) / DECODED_SECONDS}


class GogoDecoder:
    """Decoding by the codec of a GogoSpeech."""

    title = "Gogo"

    def __init__(self, codec):
        self.codec = codec

    def codes(self, seconds):
        """Tokens of some seconds of noise."""
        return self.codec.encode_batch(noise(seconds, self.codec.sample_rate))

    def decode(self, codes):
        """Tokens to audio."""
        return self.codec.decode_batch(*codes)


def main(
    source: Annotated[
        str, typer.Option(help="Folder of GogoSpeech, or a bundled name.")
    ] = "gogo-mini",
    piper: Annotated[
        Path, typer.Option(help="ONNX file of a voice of Piper.")
    ] = None,
    kokoro: Annotated[
        str,
        typer.Option(help="Files of Kokoro: model and voices, with a comma."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    output: Path = ROOT / "results" / "bench" / "peers.json",
):
    """Measure all systems, and print and write their medians."""
    pin(1)
    clock = Clock("cpu", 1)
    speech = GogoSpeech.from_hparams(source, run_opts={"device": "cpu"})
    voices = [GogoVoice(speech)]
    voices += [PiperVoice(piper)] if piper else []
    voices += [KokoroVoice(*kokoro.split(","))] if kokoro else []
    codecs = [GogoDecoder(speech.codec)]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for kind in (EnCodec, Mimi):
            kind.prepare(Path(folder), None)
            codecs.append(kind(Path(folder), "cpu"))
        trials = {f"speak: {v.name}": (time_voice, v) for v in voices}
        for codec in codecs:
            codes = codec.codes(DECODED_SECONDS)
            trials[f"decode: {codec.title}"] = (time_decoding, codec, codes)
        found = {name: [] for name in trials}
        for number in trange(rounds + 1):
            for name, (measure, *given) in trials.items():
                row = measure(*given, clock)
                if number:  # the first round warms up
                    found[name].append(row)
    table = {
        name: {key: median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(table, indent=2))
    print(f"| one thread of {device_name('cpu')} | RTF | first sound, s |")
    print("| --- | ---: | ---: |")
    for name, row in table.items():
        first = row.get("first sound, s")
        print(
            f"| {name} | {row['RTF']:.3f} | {f'{first:.3f}' if first else ''} |"
        )


if __name__ == "__main__":
    typer.run(main)
