#!/usr/bin/env python3
"""Synthetic English: sentences read by a synthesiser in many voices.

    python synthesize.py hparams/synthesize.yaml \
        --sentence_files "[/path/to/train.csv]" --output_folder results/espeak

It writes audio and the manifests train.csv, valid.csv and test.csv, with
different sentences and common voices. Run it again after an interruption:
existing audio is kept.
"""

import logging
import random
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import soundfile
import torch
import torchaudio
from sentences import (
    hold_out_sentences,
    make_up_sentences,
    read_sentences,
    read_words,
)
from tqdm import tqdm

from recipes.common.experiment import start
from recipes.common.manifests import FIELDS
from speechbrain_gogo.dataio.replacing import replaced_when_complete, write_csv
from speechbrain_gogo.dataio.report import ClipReport

logger = logging.getLogger(__name__)


class Clip(NamedTuple):
    """A sentence with its voice and its audio file."""

    id: str
    path: Path
    voice: NamedTuple
    text: str


def plan_clips(sentences, voices, hparams):
    """Clips of each sentence in several voices.

    A clip's name has a checksum of all settings of its audio, so audio of other
    settings is not reused.
    """
    clips = []
    for text in sentences:
        generator = random.Random(f"{hparams['seed']}/{text}")
        for voice in generator.sample(voices, hparams["voices_per_sentence"]):
            sound = repr((*voice, text, hparams["sample_rate"]))
            key = f"{voice.name}_{zlib.crc32(sound.encode()):08x}"
            path = Path(hparams["output_folder"], "audio", voice.name, key)
            path = path.with_suffix(f".{hparams['audio_format']}")
            clips.append(Clip(key, path, voice, text))
    return clips


def speak(clip, synthesizer, sample_rate):
    """Synthesize a clip's audio file, unless it exists.

    Gives its seconds, None without speech.
    """
    if clip.path.is_file():
        return soundfile.info(str(clip.path)).duration
    wav, made_at = synthesizer.speak(clip.voice, clip.text)
    if not wav.any():
        return None
    wav = torchaudio.functional.resample(wav, made_at, sample_rate)
    with replaced_when_complete(clip.path) as partial:
        soundfile.write(partial, wav.clamp(-1, 1).numpy(), sample_rate)
    return len(wav) / sample_rate


def write_split(stage, clips, hparams):
    """Synthesize the clips of a split and list them in its manifest.

    Gives the ClipReport, and the hours of speech.
    """
    folder, report, seconds = Path(hparams["output_folder"]), ClipReport(), 0
    rows, how = [FIELDS], (hparams["synthesizer"], hparams["sample_rate"])
    with ThreadPoolExecutor(hparams["num_workers"]) as pool:
        durations = pool.map(lambda clip: speak(clip, *how), clips)
        durations = tqdm(durations, desc=stage, total=len(clips), unit="clip")
        for duration, clip in zip(durations, clips):
            if duration is None:
                report["nothing said"] += 1
                continue
            report["used"] += 1
            seconds += duration
            place = f"$data_root/{clip.path.relative_to(folder).as_posix()}"
            rows.append(
                [clip.id, f"{duration:.4f}", place, clip.voice.name, clip.text]
            )
    write_csv(folder / f"{stage}.csv", rows)
    return report, seconds / 3600


def main(arguments):
    """Run the experiment."""
    hparams, _ = start(__file__, arguments)
    voices = hparams["synthesizer"].draw_voices(
        hparams["num_voices"], hparams["seed"]
    )
    torch.set_num_threads(1)  # the clips are what runs in parallel
    words = hparams["min_words"], hparams["max_words"]
    sentences, report = read_sentences(hparams["sentence_files"], *words)
    print(f"sentences: {report}".replace("clips", "lines"))
    seed, held_out = hparams["seed"], ("valid_sentences", "test_sentences")
    splits = hold_out_sentences(
        sentences, *(hparams[k] for k in held_out), seed
    )
    splits["train"] += make_up_sentences(
        splits["train"],
        hparams["made_up_sentences"],
        hparams["max_words"],
        seed,
        avoid=sentences,
        more_words=read_words(hparams["word_files"]),
        share=hparams["word_share"],
    )
    for stage, texts in splits.items():
        clips = plan_clips(texts, voices, hparams)
        report, hours = write_split(stage, clips, hparams)
        print(f"{stage}: {report}: {hours:.2f} hours")


if __name__ == "__main__":
    main(sys.argv[1:])
