"""Fixtures: a device, real speech if available, a tiny Gogo."""

import csv
import os
from pathlib import Path

# Before all others: what imports it looks at every module that is there, for
# every frame of the stack; that takes seconds later, in each process again.
import librosa.core.audio  # noqa: F401
import numpy as np
import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from quick import make_plots, make_quick

from speechbrain_gogo.dataio.text.front_ends import front_end

REPOSITORY = Path(__file__).resolve().parent.parent

# The paper's path through the classes of gogo-mini, at the smallest useful size.
TINY = f"""
model: !include:{REPOSITORY}/hparams/mini/gogo.yaml
    dim: 32
    encoder:
        num_layers: 2
        ffn_dim: 64
    backbone:
        dim: 32
        num_layers: 2
vocoder: !new:speechbrain_gogo.lobes.vocoder.vocoders.GriffinLimVocoder
    num_iterations: 1
"""


@pytest.fixture(scope="session", autouse=True)
def _quick():
    """Experiments leave out what takes long and changes no result."""
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        yield


@pytest.fixture
def real_plots(monkeypatch):
    """Plots are drawn."""
    make_plots(monkeypatch)


@pytest.fixture(scope="session")
def device(request):
    """Where tests run."""
    return request.config.getoption("--device")


@pytest.fixture(scope="session")
def speech_folder():
    """Real speech with SpeechBrain manifests; not part of the package."""
    folder = os.environ.get("GOGO_SPEECH", REPOSITORY.parent / "shared/speech")
    if not (Path(folder) / "train.csv").is_file():
        pytest.skip(f"no speech at {folder}: set GOGO_SPEECH to a folder")
    return Path(folder)


def short_clips(folder):
    """(samples, rate, words) of the 16 shortest clips of real speech."""
    with open(folder / "valid.csv", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda r: float(r["duration"]))
    for row in rows[:16]:
        path = row["wav"].replace("$data_root", str(folder))
        yield *soundfile.read(path, dtype="float32"), row["wrd"]


def gliding_tones():
    """The same of 16 tones, for where there is no speech."""
    for place in range(16):
        time = np.arange(round(16000 * (1.3 + place / 16))) / 16000
        pitch = 100 + 20 * place + 50 * time
        tone = 0.3 * np.sin(2 * np.pi * pitch * time)
        words = front_end("en")(f"Tone number {place}.")
        yield tone.astype(np.float32), 16000, words


@pytest.fixture(scope="session")
def tiny_corpus(request, tmp_path_factory):
    """Twelve clips to train on and four to validate, laid out as LibriTTS.

    Also listed in train.csv and valid.csv.
    """
    try:
        clips = short_clips(request.getfixturevalue("speech_folder"))
    except pytest.skip.Exception:
        clips = gliding_tones()
    folder = tmp_path_factory.mktemp("corpus")
    rows = {"train": [], "valid": []}
    for place, (wav, rate, words) in enumerate(clips):
        stage = "train" if place < 12 else "valid"
        split = {"train": "train-clean-100", "valid": "dev-clean"}[stage]
        speaker, name = f"{place % 3}", f"{place % 3}_7_{place:06d}_000000"
        chapter = folder / split / speaker / "7"
        chapter.mkdir(parents=True, exist_ok=True)
        soundfile.write(chapter / f"{name}.wav", wav, rate)
        (chapter / f"{name}.normalized.txt").write_text(words + "\n")
        wav_path = f"$data_root/{split}/{speaker}/7/{name}.wav"
        rows[stage].append([name, len(wav) / rate, wav_path, speaker, words])
    for stage, listed in rows.items():
        with open(folder / f"{stage}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["ID", "duration", "wav", "spk_id", "wrd"])
            writer.writerows(listed)
    return folder


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory):
    """A YAML with ``model: codec:`` and ``vocoder``."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(TINY)
    return path


def build_tiny(tiny_yaml):
    """The tiny YAML's objects, with seeded weights that all matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with open(tiny_yaml) as stream:
            hparams = load_hyperpyyaml(stream)
        dit = hparams["model"]["backbone"]
        for layer in [*dit.modulations, dit.project_out]:
            torch.nn.init.normal_(layer.weight, std=0.2)  # not adaLN-zero
    return hparams


@pytest.fixture
def tiny_codec(tiny_yaml):
    """A tiny Gogo in evaluation mode, new for every test."""
    return build_tiny(tiny_yaml)["model"]["codec"].eval()


@pytest.fixture(scope="session")
def tiny_codec_folder(tiny_yaml, tmp_path_factory):
    """The tiny codec as a folder for ``from_hparams``."""
    from speechbrain_gogo.inference.loading.export import export_codec

    hparams = build_tiny(tiny_yaml)
    return export_codec(
        tmp_path_factory.mktemp("tiny_codec"),
        tiny_yaml,
        hparams["model"]["codec"],
        hparams["vocoder"],
        window_groups=48,
        overlap_groups=5,
    )


@pytest.fixture(scope="session")
def tiny_tokens(tiny_corpus, tiny_codec_folder, tmp_path_factory):
    """The tiny corpus as tokens of the tiny codec, in train/ and valid/."""
    from speechbrain_gogo.dataio.shards.manifests import ManifestShards
    from speechbrain_gogo.inference import GogoCodec
    from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus

    codec = GogoCodec.from_hparams(tiny_codec_folder)
    folder = tmp_path_factory.mktemp("tokens")
    for stage in ("train", "valid"):
        manifest = tiny_corpus / f"{stage}.csv"
        source = ManifestShards(manifest, tiny_corpus, batch_seconds=10)
        tokenize_corpus(codec, source, folder / stage)
    return folder


@pytest.fixture(scope="session")
def tiny_stages(tmp_path_factory):
    """Random stages of GogoSpeech, and the tokenizer of their text."""
    from speechbrain_gogo.dataio.text.tokenizers import WordPieces
    from speechbrain_gogo.lobes.speech.llama import speech_llama
    from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
    from speechbrain_gogo.lobes.speech.stage2 import DetailLM

    path = tmp_path_factory.mktemp("text") / "text.model"
    words = "the quick brown fox jumps over a lazy dog, vexing Mr. Q.!"
    tokenizer = WordPieces.train([words, "why? so"], path, 60)
    text, codes = tokenizer.vocab_size, 12800
    with torch.random.fork_rng():
        torch.manual_seed(0)
        llama = speech_llama(text + codes + 2, 32, 2, 2, 64)
        stage1 = BackboneLM(llama, text).eval()
        stage2 = DetailLM(speech_llama(codes + 2, 32, 2, 2, 64)).eval()
    # The first feature of all codes is the same: so much of it in the end
    # token lets speech end sooner or later.
    rows = llama.lm_head.weight.data
    rows[:, 0], rows[stage1.end_id] = 1.0, 0.0
    rows[stage1.end_id, 0] = 3.8
    return stage1, stage2, tokenizer


@pytest.fixture(scope="session")
def tiny_speech_folder(tiny_stages, tiny_codec_folder, tmp_path_factory):
    """The tiny codec with the tiny stages, a folder that speaks."""
    from speechbrain_gogo.inference.loading.export_speech import (
        export_speech,
        export_speech_stage,
    )

    stage1, stage2, tokenizer = tiny_stages
    folder = tmp_path_factory.mktemp("tiny_speech")
    parts = folder / "stage1", folder / "stage2"
    export_speech_stage(parts[0], stage1, tokenizer, dtype=torch.float32)
    export_speech_stage(parts[1], stage2)
    return export_speech(folder, tiny_codec_folder, *parts)


@pytest.fixture(scope="session")
def tiny_tasks(tiny_corpus):
    """A list in Seed-TTS' format: two prompts, with two and one targets."""
    with open(tiny_corpus / "train.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = []
    for prompt, target in ((0, 3), (1, 4), (0, 6)):
        said, row = rows[prompt], rows[target]
        wavs = [each["wav"].removeprefix("$data_root/") for each in (said, row)]
        name = f"{said['ID']}-{row['ID']}"
        fields = name, said["wrd"], wavs[0], row["wrd"], wavs[1]
        lines.append("|".join(fields) + "\n")
    (tiny_corpus / "meta.lst").write_text("".join(lines))
    return tiny_corpus / "meta.lst"
