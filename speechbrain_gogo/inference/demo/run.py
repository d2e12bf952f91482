"""The demo: a recording is encoded once and decoded at several rates.

Recordings are decoded from the first 1, 3, 5 and all tokens of every group
(Section 3.1.3), and all steps are timed. A model with stages also synthesizes a
sentence. page.py writes the page.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
import torch
from torch.nn import functional as F

from speechbrain_gogo.dataio.audio.files import stream_audio
from speechbrain_gogo.dataio.audio.writing import written_audio
from speechbrain_gogo.inference.demo.page import write_page
from speechbrain_gogo.inference.files.describe import token_and_bit_rate
from speechbrain_gogo.inference.loading.pretrained import PRETRAINED
from speechbrain_gogo.inference.marking import mark_stream
from speechbrain_gogo.inference.synthesis.files import synthesize_file
from speechbrain_gogo.metrics.reports.pictures import plot_mels

KEEPS = (1, 3, 5)  # first levels, besides all of them
PICTURE_SECONDS = 10.0  # of longer recordings the picture shows the beginning

EXAMPLE = PRETRAINED / "gogo-mini" / "example.flac"
EXAMPLE_TEXT = (
    "produced the block books, which were the immediate predecessors of the "
    "true printed book,"
)
EXAMPLE_NOTE = (
    f"“{EXAMPLE_TEXT}” read by Linda Johnson. Clip LJ001-0004 of the LJ "
    "Speech Dataset (Ito and Johnson, 2017), public domain; resampled from "
    "22.05 to 24 kHz."
)
SENTENCE = "Nobody ever said this in front of a microphone."  # until today


@dataclass
class Decoding:
    """A decoding of a recording, with rate and time."""

    keep: int
    wav: str  # file name
    token_rate: float  # Hz
    bit_rate: float  # bit/s
    real_time_factor: float


@dataclass
class Recording:
    """A recording at the codec's rate, with its decodings."""

    title: str
    note: str
    wav: str  # file name
    picture: str  # file name
    seconds: float
    encode_factor: float = 0.0
    decodings: list = field(default_factory=list)


def run_demo(codec, folder="results/demo", wavs=(), speech=None):
    """Encode and decode the bundled clip and others, and write the page.

    The ``folder`` gets index.html; for the bundled clip original.wav, keep01.wav and
    so on, and mels.png; for the first of ``wavs`` wav1_original.wav and so on; and
    speech.wav, a sentence of the text to speech ``speech``, in its own voice or that
    of the bundled clip. Returns the recordings, a list of :class:`Recording`; the
    synthesis, a :class:`SynthesisResult` or None; and the page's Path.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recordings = [copy_original(codec, EXAMPLE, folder, "", EXAMPLE_NOTE)]
    for number, path in enumerate(wavs, 1):
        recordings.append(copy_original(codec, path, folder, f"wav{number}_"))
    # The first call, with allocations and kernel selection, is not timed.
    tokens, _ = codec.encode_batch(torch.zeros(1, 2 * codec.sample_rate))
    codec.decode_batch(tokens)
    for recording in recordings:
        decode_at_each_rate(codec, recording, folder)
        draw(codec, recording, folder)
    spoken = voice = None
    if speech is not None:
        path = folder / "speech.wav"
        # Loading and compiling the watermark is not timed, either.
        rate = codec.sample_rate
        for _ in mark_stream(iter([torch.zeros(rate)]), rate):
            pass
        voice = "the model's own voice"
        prompt = speech.voice
        if prompt is None:
            voice = f"the voice of {EXAMPLE.name}"
            prompt = EXAMPLE, EXAMPLE_TEXT
        spoken = synthesize_file(speech, path, SENTENCE, *prompt)
    page = write_page(codec, recordings, spoken, voice, folder, PICTURE_SECONDS)
    return recordings, spoken, page


def copy_original(codec, path, folder, prefix, note=""):
    """Write a recording in mono at the codec's rate, as {prefix}original.wav.

    Returns a Recording without decodings yet, with a ``note`` for the page.
    """
    target = folder / f"{prefix}original.wav"
    with written_audio(target, codec.sample_rate) as write:
        for piece in stream_audio(path, codec.sample_rate):
            seconds = write(piece)
    return Recording(
        title=Path(path).name,
        note=note,
        wav=target.name,
        picture=f"{prefix}mels.png",
        seconds=seconds,
    )


def decode_at_each_rate(codec, recording, folder):
    """Encode a recording once, decode it at every rate, and time it all."""
    original = folder / recording.wav
    prefix = recording.wav.removesuffix("original.wav")
    start = time.perf_counter()
    tokens = codec.encode_file(original)
    spent = time.perf_counter() - start
    recording.encode_factor = spent / recording.seconds
    given = codec.file_side_information(original)
    given["num_samples"] = soundfile.info(original).frames
    for keep in keeps(codec):
        kept = codec.levels.num_kept(keep)  # tokens of a group
        path = folder / f"{prefix}keep{kept:02d}.wav"
        start = time.perf_counter()
        codec.decode_file(tokens, path, keep=keep, **given)
        spent = time.perf_counter() - start
        rates = token_and_bit_rate(codec, kept)
        recording.decodings.append(
            Decoding(kept, path.name, *rates, spent / recording.seconds)
        )


def keeps(codec):
    """Numbers of levels from which the demo decodes."""
    total = len(codec.levels)
    return sorted({keep for keep in KEEPS if keep < total} | {total})


def draw(codec, recording, folder):
    """Picture the mels of a recording and of its decodings."""
    total = codec.num_codebooks
    mels = {
        "original, with a line at every group": mel_of(
            codec, folder / recording.wav
        )
    }
    for decoding in recording.decodings:
        title = f"decoded from {decoding.keep} of {total} tokens per group"
        mels[title] = mel_of(codec, folder / decoding.wav)
    rate = codec.group_rate * codec.group_size
    plot_mels(mels, folder / recording.picture, codec.group_size, rate)


def mel_of(codec, path):
    """Log-mel [T, n_mels] of a file's first seconds."""
    seconds = int(PICTURE_SECONDS * codec.sample_rate)
    wav, _ = soundfile.read(path, frames=seconds, dtype="float32")
    hop = codec.group_samples // codec.group_size
    wav = F.pad(torch.from_numpy(wav), (0, -len(wav) % hop))
    device = next(codec.codec.parameters()).device
    with torch.no_grad():
        return codec.codec.mel(wav.unsqueeze(0).to(device))[0].cpu()
