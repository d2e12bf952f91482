"""Every recipe of the CSV files in this folder runs on a few short clips.

A row's flags may name what tests make: {corpus}, a dozen clips laid out as
LibriTTS, with train.csv and valid.csv; {codec} and {vocoder}, exported models;
{tokens}, the clips as tokens of the codec; {llama}, one of 60 words, and {start},
a model with stages of its size; {speech}, the codec with stages; {tasks}, a list of
texts and prompts; {whisper} and {hubert}, tiny models; {socodec}, a codec on the
features of {hubert}; {socodec_speech}, the same with a language model; {cofi} and
{cofi_speech}, CoFi-Codec and CoFi-Speech; {wenetspeech4tts}, the clips in the layout
of that corpus. The files that a run must write are in the row's checks.
"""

import csv
import inspect
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch

from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.inference.loading.export_speech import (
    export_speech,
    export_speech_stage,
)
from speechbrain_gogo.lobes.speech.llama import extended_llama, speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
from speechbrain_gogo.lobes.vocoder.vocos_files import write_vocos

REPOSITORY = Path(__file__).resolve().parents[2]

# Programs that a script runs and pip does not install.
PROGRAMS = {"synthesize.py": "espeak-ng"}


def recipe_rows():
    """All rows of all CSV files."""
    for path in sorted(Path(__file__).parent.glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


@pytest.fixture(scope="module")
def made(
    tiny_corpus,
    tiny_codec_folder,
    tiny_tokens,
    tiny_speech_folder,
    tiny_tasks,
    tiny_whisper_folder,
    tiny_hubert_folder,
    tiny_socodec_folder,
    tiny_socodec_speech_folder,
    tiny_cofi_folder,
    tiny_cofi_speech_folder,
    tmp_path_factory,
):
    """What flags can name."""
    vocoder = tmp_path_factory.mktemp("vocoder")
    write_vocos(VocosVocoder(100, 16, 32, 1), vocoder)
    llama = tmp_path_factory.mktemp("llama")
    speech_llama(60, 16, 1, 2, 32).save_pretrained(llama)
    WordPieces.train(["Any text, it is!"], llama / WordPieces.FILE, 60)
    return {
        "{hubert}": str(tiny_hubert_folder),
        "{socodec}": str(tiny_socodec_folder),
        "{socodec_speech}": str(tiny_socodec_speech_folder),
        "{cofi}": str(tiny_cofi_folder),
        "{cofi_speech}": str(tiny_cofi_speech_folder),
        "{wenetspeech4tts}": str(as_wenetspeech4tts(tiny_corpus)),
        "{tokens}": str(tiny_tokens),
        "{speech}": str(tiny_speech_folder),
        "{tasks}": str(tiny_tasks),
        "{whisper}": str(tiny_whisper_folder),
        "{llama}": str(llama),
        "{start}": str(
            start_folder(llama, tiny_codec_folder, tmp_path_factory)
        ),
        "{corpus}": str(tiny_corpus),
        "{codec}": str(tiny_codec_folder),
        "{vocoder}": str(vocoder),
    }


def start_folder(llama, codec, tmp_path_factory):
    """A model whose stages are as large as a Llama, to be fine-tuned."""
    folder, (text, codes) = tmp_path_factory.mktemp("start"), (60, 12800)
    made = [extended_llama(llama, codes + 2, False) for _ in range(2)]
    stages = BackboneLM(made[0], text), DetailLM(made[1], text)
    letters = ["the quick brown fox jumps over a lazy dog"]
    tokenizer = WordPieces.train(letters, folder / "letters.model", text)
    parts = [folder / "stage1", folder / "stage2"]
    for stage, part in zip(stages, parts):
        export_speech_stage(part, stage, tokenizer)
    export_speech(folder, codec, *parts, compiled=False)
    return folder


def as_wenetspeech4tts(corpus):
    """The clips of a corpus in the layout of WenetSpeech4TTS."""
    part = corpus / "Basic/WenetSpeech4TTS_Basic_0"
    for kind in ("wavs", "txts"):
        (part / kind).mkdir(parents=True, exist_ok=True)
    for stage in ("train", "valid"):
        with open(corpus / f"{stage}.csv", newline="") as file:
            for row in csv.DictReader(file):
                key = f"X{row['ID']}_S0"
                wav = row["wav"].replace("$data_root", str(corpus))
                shutil.copy(wav, part / "wavs" / f"{key}.wav")
                text = part / "txts" / f"{key}.txt"
                text.write_text(f"{key}\t{row['wrd']}\n")
    return corpus


@pytest.fixture
def as_a_script(monkeypatch):
    """Room for a script in this process, which is left as it was."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    # SpeechBrain copies the script that calls it, which inspect looks for by its
    # file: it must not find what a test has imported from there and dropped.
    inspect.modulesbyfile.clear()
    inspect._filesbymodname.clear()
    threads, before = torch.get_num_threads(), set(sys.modules)
    yield monkeypatch
    torch.set_num_threads(threads)
    for name in set(sys.modules) - before:  # helpers that lie beside scripts
        if "recipes" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def command_line(row, made, folder):
    """The words of a row's command, which writes to a folder."""
    flags = row["test_debug_flags"]
    for name, path in made.items():
        flags = flags.replace(name, path)
    line = [row["Script_file"], row["Hparam_file"], *shlex.split(flags)]
    return [*line, f"--output_folder={folder}", "--device=cpu"]


def need_program(row):
    """Skip a test whose script runs a program that is not there."""
    program = PROGRAMS.get(Path(row["Script_file"]).name)
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def run(line, patch):
    """Run a script in this process."""
    patch.setattr(sys, "argv", line)
    patch.syspath_prepend(Path(line[0]).resolve().parent)
    runpy.run_path(line[0], run_name="__main__")


@pytest.mark.parametrize(
    "row", recipe_rows(), ids=lambda row: row["Hparam_file"]
)
def test_recipe(row, made, as_a_script, tmp_path):
    need_program(row)
    run(command_line(row, made, tmp_path), as_a_script)
    (names,) = re.findall(r"file_exists=\[(.*)\]", row["test_debug_checks"])
    missing = [n for n in names.split(",") if not (tmp_path / n).is_file()]
    assert not missing


def one_row_of_each_script():
    """Rows of which no two have the same script."""
    return {row["Script_file"]: row for row in recipe_rows()}.values()


@pytest.mark.parametrize(
    "row", one_row_of_each_script(), ids=lambda row: row["Script_file"]
)
def test_dry_run(row, made, as_a_script, tmp_path, capsys):
    need_program(row)

    def files():
        folders = [tmp_path, *map(Path, set(made.values()))]
        return {p: p.stat().st_mtime_ns for f in folders for p in f.rglob("*")}

    before = files()
    line = command_line(row, made, tmp_path / "out")
    with pytest.raises(SystemExit) as end:
        run([*line, "--dry_run"], as_a_script)
    assert end.value.code == 0
    assert files() == before
    said = capsys.readouterr().out
    assert [part in said for part in ("Reads", "Writes", "Takes")] == [True] * 3
    assert (
        re.search(r"\nAll (else )?is there\.", said)
        and "Not created" not in said
    )
    if "checkpoints:" in said and "codec_distill" not in line[0]:
        assert re.search(r"parameters to train: \w+ \d", said)
