"""The recipes that learn from tokens: they learn, and are compared."""

import csv
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recipes.common.manifests import prepare_manifests
from recipes.common.settings import compose
from recipes.common.tokens import tokenized_dataset
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.inference import GogoTokenizer
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM

RECIPES = Path(__file__).resolve().parents[3] / "recipes" / "LibriTTS"
STAGES = ("train", "valid", "test")


@pytest.fixture
def script(monkeypatch):
    """Runs a file of the recipes, with its neighbours at hand."""
    before = set(sys.modules)

    def run(name):
        path = RECIPES / name
        monkeypatch.syspath_prepend(path.parent)
        return runpy.run_path(str(path))

    yield run
    for name in set(sys.modules) - before:
        if "recipes" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def settings(tiny_corpus, tiny_tokens, tiny_codec_folder, tmp_path):
    """Makes a recipe's command line; every stage is the training clips."""
    (tmp_path / "tokens").mkdir()
    for stage in ("train", "valid"):  # the clips are tokenised already
        (tmp_path / "tokens" / stage).symlink_to(tiny_tokens / "train")

    def line(recipe, **overrides):
        known = compose(RECIPES / recipe / "hparams" / "train.yaml")
        given = {
            "data_folder": tiny_corpus,
            "skip_prep": True,
            "language": "null",
            "source": tiny_codec_folder,
            "tokens_folder": tmp_path / "tokens",
            "num_workers": 0,
            "warmup_steps": 2,
            "device": "cpu",
            **dict.fromkeys(
                (f"{stage}_csv" for stage in STAGES), tiny_corpus / "train.csv"
            ),
            **overrides,
        }
        return [
            f"--{key}={value}"
            for key, value in given.items()
            if key in known or key == "device"
        ]

    return line


def two_clips(corpus, path, times):
    """A manifest of two clips, so many times under other names."""
    with open(corpus / "train.csv", newline="") as file:
        clips = list(csv.DictReader(file))[:2]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(clips[0]))
        writer.writeheader()
        for again in range(times):
            for clip in clips:
                writer.writerow({**clip, "ID": f"{again} {clip['ID']}"})
    return path


def test_speech_is_learnt_by_heart(script, settings, tiny_corpus, tmp_path):
    """CTC at 28 frames a second, from groups that come 4.7 times a second."""
    main = script("asr_tokens/train.py")["main"]
    clips = two_clips(tiny_corpus, tmp_path / "two.csv", times=2)
    line = settings(
        "asr_tokens",
        **dict.fromkeys((f"{stage}_csv" for stage in STAGES[1:]), clips),
        train_csv=two_clips(tiny_corpus, tmp_path / "train.csv", times=20),
        tokens_folder=tmp_path / "two",
        output_folder=tmp_path / "out",
        num_codebooks=3,
        dim=64,
        hidden_size=64,
        number_of_epochs=12,
        batch_clips=2,
        learning_rate=0.01,
        group_dropout=0,
        dropout=0,
    )
    yaml = f"{RECIPES}/asr_tokens/hparams/train.yaml"
    main([yaml, *line, "--noprogressbar"])
    log = read_log(tmp_path / "out" / "progress.jsonl")
    errors = [row["CER (%)"] for row in log if row["stage"] == "valid"]
    assert errors[-1] < 20, errors
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    edits = sum(int(row["character_errors"]) for row in rows)
    characters = sum(len(row["said"]) for row in rows)
    assert 100 * edits / characters == pytest.approx(min(errors))


@pytest.fixture
def tokenized(script, tiny_corpus, tiny_codec_folder, tmp_path):
    """Makes the tokens of a stage of the tiny corpus, with settings."""
    make = tokenized_dataset

    def run(stage, **overrides):
        tokenizer = overrides.pop("tokenizer", None)
        settings = {
            "tokenizer": tokenizer or GogoTokenizer(tiny_codec_folder),
            f"{stage}_csv": tiny_corpus / "valid.csv",
            "data_folder": tiny_corpus,
            "tokens_folder": tmp_path / "tokens",
            "clips": {"batch_seconds": 10, "max_duration": 2.0},
            "front_end": None,
            "num_workers": 0,
            "tokenizing_device": "cpu",
        }
        return make(settings | overrides, stage)

    return run


def test_a_test_set_is_complete(tokenized, tiny_corpus, tmp_path):
    """However long its clips are; or there is no test, and it says why."""
    with open(tiny_corpus / "valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(float(row["duration"]) > 2 for row in rows)
    with pytest.raises(ValueError, match="No usable clip|No clip"):
        tokenized("valid", clips={"batch_seconds": 10, "max_duration": 0.1})
    assert len(tokenized("test")) == len(rows)

    data = tmp_path / "data"
    shutil.copytree(tiny_corpus, data)
    with pytest.raises(ValueError, match=f"data_root is .* and {data} here"):
        tokenized("test", data_folder=data)
    gone = data / rows[1]["wav"].removeprefix("$data_root/")
    gone.rename(gone.with_suffix(".away"))
    fresh = {"data_folder": data, "tokens_folder": tmp_path / "fresh"}
    with pytest.raises(ValueError, match=f"1 of 4 .* missing, the .*{gone}"):
        tokenized("test", **fresh)
    gone.write_bytes(b"no audio")
    with pytest.raises(ValueError, match=f"first: {rows[1]['ID']}. Mend"):
        tokenized("test", **fresh)


def test_the_codec_works_where_the_run_does(tokenized, tiny_codec_folder):
    """And is handed back, for whatever the recipe does with it."""
    tokenizer, places = GogoTokenizer(tiny_codec_folder), []
    tokenizer.to = lambda place: places.append(place) or tokenizer
    tokenized("test", tokenizer=tokenizer, tokenizing_device="cuda:0")
    assert places == ["cuda:0", "cpu"]


def test_manifests_of_other_splits_are_refused(tiny_corpus):
    settings = {
        "data_folder": str(tiny_corpus),
        "train_csv": tiny_corpus / "train.csv",
        "train_splits": ["train-clean-100"],
    }
    prepare_manifests(settings, ["train"])
    for splits in (["train-clean-360"], ["train-clean-100", "dev-clean"]):
        with pytest.raises(ValueError, match="there already.*Choose another"):
            prepare_manifests({**settings, "train_splits": splits}, ["train"])


def test_clips_of_speakers_are_held_out(script):
    split = script("speaker_id_tokens/speakers.py")["split_clips"]
    speakers = [*("ann " * 9 + "bo " * 5 + "cy " * 3).split(), "", "bo"]
    places, names, report = split(speakers, max_clips=4, seed=1)
    assert names == ["ann", "bo"]
    for stage, number in (("train", 4 + 3), ("valid", 2), ("test", 4)):
        assert len(set(places[stage])) == number
        assert {speakers[place] for place in places[stage]} == set(names)
    used = sum(places.values(), [])
    assert len(set(used)) == len(used) == report.used
    assert report.skipped == {
        "beyond 4 of a speaker": 2,
        "no speaker": 1,
        "speaker of 3 clips or fewer": 3,
    }
    assert split(speakers, max_clips=4, seed=1)[0] == places
    assert split(speakers, max_clips=4, seed=2)[0] != places
    with pytest.raises(ValueError, match="spk_id"):
        split([""] * 9)


def test_crops_are_stretches_of_clips(script):
    brain = script("speaker_id_tokens/train.py")["SpeakerBrain"]
    tokenizer = SimpleNamespace(codec=SimpleNamespace(group_rate=2))
    fake = SimpleNamespace(
        hparams=SimpleNamespace(crop_seconds=3, tokenizer=tokenizer),
        generator=lambda: torch.manual_seed(3),
    )
    clips = torch.arange(20).reshape(1, 20, 1).repeat(3, 1, 2)
    lens = torch.tensor([1.0, 0.3, 0.2])
    crops = brain.crop(fake, clips, lens)
    assert crops.shape == (3, 6, 2)
    assert (crops[0].diff(dim=0) == 1).all()
    assert crops[1, :, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert crops[2, :, 0].tolist() == [0, 1, 2, 3, 0, 1]


def test_runs_are_compared(script, settings, tmp_path, monkeypatch):
    """compare_tokens.py trains twice, and again takes up what it finds."""
    compare = script("compare_tokens.py")
    train, runs = script("speaker_id_tokens/train.py")["main"], []

    def run(line, check):
        runs.append(line[1])
        train([*line[2:], "--noprogressbar"])

    monkeypatch.setattr(subprocess, "run", run)
    yaml = RECIPES / "speaker_id_tokens" / "hparams" / "train.yaml"
    line = settings(
        "speaker_id_tokens",
        dim=16,
        channels="[16,16,16,16,48]",
        batch_clips=3,
        crop_seconds=1,
        number_of_epochs=2,
    )
    line += ["--num_codebooks", "10", "3", f"--output_folder={tmp_path}/out"]
    compare["main"]([str(yaml), *line])
    assert runs == [str(yaml.parent.parent / "train.py")] * 2
    table = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert [row.split("|")[1:4] for row in table[2:4]] == [
        [" 3 ", " 14.06 ", " 191.9 "],
        [" 10 ", " 46.88 ", " 639.6 "],
    ]
    assert "6 utterances" in table[5]
    assert (tmp_path / "out" / "comparison.png").is_file()
    log = tmp_path / "out" / "3_tokens" / "progress.jsonl"
    before = log.read_text()
    compare["main"]([str(yaml), *line])
    assert log.read_text() == before
    with pytest.raises(ValueError, match="No results of a test in"):
        compare["compare"]([tmp_path / "elsewhere"], tmp_path)


def test_speech_is_continued(script, tmp_path):
    """The same after each prompt, whatever else is in the batch."""
    continuations = script("token_lm/continuations.py")["Continuations"]
    torch.manual_seed(0)
    llama = speech_llama(82, 32, 2, 2, 64, period=5)
    lm = BackboneLM(llama, 0, codebook_size=80, backbone_size=5).eval()
    codec = SimpleNamespace(group_rate=1)
    clips = [
        {"id": f"{size}", "tokens": torch.randint(80, (size, 10))}
        for size in (9, 4, 1, 12)
    ]
    found = {}
    for batch_size in (1, 4):
        speak = continuations(codec, clips, 3, 6, 7, {}, batch_size)
        prompts = [len(speak.prompt(clip)) for clip in clips]
        assert prompts == [3, 2, 1, 3]
        said = dict((clip["id"], said) for clip, said in speak.spoken(lm))
        found[batch_size] = said
    for key, alone in found[1].items():
        assert alone.shape[1] == 5 and len(alone) <= 6
        assert alone.equal(found[4][key])
    assert any(len(said) for said in found[1].values())


def test_voices_are_compared_by_as_much_speech(script):
    cut = script("token_lm/train.py")["same_length"]
    for said, rest, lengths in ((5, 9, (5, 5)), (8, 3, (3, 3)), (0, 9, (0, 6))):
        found = cut(torch.ones(said, 3), torch.ones(rest, 3), 6)
        assert tuple(map(len, found)) == lengths


def test_a_run_continues_recordings(script, settings, tiny_corpus, tmp_path):
    """What train.py leaves is all that continue_speech.py needs."""
    main = script("token_lm/train.py")["main"]
    clips = (tiny_corpus / "train.csv").read_text().splitlines(keepends=True)
    some = tmp_path / "some.csv"  # from the shortest to the longest
    some.write_text("".join(clips[:1] + clips[1::4]))
    line = settings(
        "token_lm",
        test_csv=some,
        output_folder=tmp_path / "out",
        num_codebooks=5,
        lm="{dim: 32, num_heads: 2, num_layers: 1}",
        precision="fp32",
        num_samples=0,
        number_of_epochs=1,
        clip_seconds=1.6,
    )
    yaml = f"{RECIPES}/token_lm/hparams/train.yaml"
    main([yaml, *line, "--continue={max_seconds: 0.4}", "--noprogressbar"])
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        counts = [int(row["tokens"]) for row in csv.DictReader(file)]
    assert len(counts) == 3 and max(counts) <= 8 * 5 + 1
    assert {count % 5 for count in counts} == {0, 1}  # cut, and to the end
    recording = next(tiny_corpus.glob("*/*/*/*.wav"))
    again = script("token_lm/continue_speech.py")["main"]
    there = tmp_path / "continued"
    again([f"{tmp_path}/out", str(recording), f"--folder={there}"])
    written = sorted(path.name for path in there.glob("*.wav"))
    assert written == [f"{recording.stem}_{number}.wav" for number in range(3)]
    with pytest.raises(ValueError, match="No run of train.py in"):
        again([str(there), str(recording)])
