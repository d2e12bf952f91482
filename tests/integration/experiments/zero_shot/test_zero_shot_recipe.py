"""The zero-shot evaluation: its tables, resuming, and what cannot be spoken."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import soundfile
import torch

from recipes.common.settings import parse_arguments
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric

RECIPE = Path(__file__).resolve().parents[4] / "recipes/SeedTTS/zero_shot"
WITHOUT, WITH = "GogoSpeech", "GogoSpeech w/ allocator"


class Lengths(SpeechMetric):
    """Seconds of speech and prompt, and words that should be heard."""

    columns = "length", "prompt", "words"
    figures = (Figure("length", "length"), Figure("words", "words"))
    judge = "a ruler"

    def __init__(self):
        super().__init__(24000)

    def measure(self, predict, target, transcript=None):
        lengths = [len(wav) / 24000 for wav in (predict, target)]
        values = *lengths, len(transcript.split())
        return dict(zip(self.columns, values))


@pytest.fixture
def hparams(tiny_speech_folder, tiny_tasks, tmp_path):
    changes = {
        "source": str(tiny_speech_folder),
        "meta_list": str(tiny_tasks),
        "output_folder": str(tmp_path / "out"),
        "expected_utterances": 3,
        "long_form_seconds": 2.5,
        "rtf_trials": 1,
        "num_samples": 1,
        "num_workers": 0,
        "sampling": {"num_steps": 1},
    }
    given = parse_arguments([str(RECIPE / "hparams/offline.yaml")])
    return given._replace(overrides=changes).load()


def read_rows(hparams, folder):
    path = Path(hparams["output_folder"], folder, "results.csv")
    with open(path, newline="") as stream:
        return {(r["ID"], r["system"]): r for r in csv.DictReader(stream)}


def test_tables_of_all_systems(recipe, speech, hparams, tiny_tasks, real_plots):
    """Rows, columns and figures follow from the speech."""
    tasks = [line.split("|") for line in tiny_tasks.read_text().splitlines()]
    other = Path(hparams["output_folder"]).parent / "other"
    other.mkdir()
    for name, *_ in tasks:
        soundfile.write(other / f"{name}.wav", torch.zeros(48000), 24000)
    hparams["other_systems"] = {"Other": str(other)}
    summary = recipe.evaluate(speech, [Lengths()], hparams)

    said = read_rows(hparams, "speech")
    judged = read_rows(hparams, "utterances")
    systems = ["Ground truth", "Other", WITHOUT, WITH]
    assert len(said) == 3 * 2 and len(judged) == 3 * 4
    for (name, label), row in said.items():
        length = float(judged[name, label]["length"])
        assert float(row["seconds"]) == pytest.approx(length, abs=1e-3)
        groups = length * 4.6875
        rate = int(row["tokens"]) / groups
        assert rate == pytest.approx(10) if label == WITHOUT else rate < 9.5
    finished = [int(row["finished"]) for row in said.values()]
    assert summary[WITHOUT, "finished (%)"][0] == pytest.approx(
        100 * sum(finished[:3]) / 3
    )
    assert summary[WITHOUT, "tokens/s"][0] == pytest.approx(46.875, abs=0.01)
    assert summary["Other", "length"][0] == 2

    # A long form is all that is said with a prompt, in the list's order.
    recorded = [judged[name, systems[0]] for name, *_ in tasks]
    together = float(recorded[0]["length"]) + float(recorded[2]["length"])
    long = read_rows(hparams, "long_form")
    assert len(long) == 4
    row = long[f"{tasks[0][0]} and 1 more", "Ground truth"]
    assert float(row["length"]) == pytest.approx(together, abs=1e-3)
    words = [len(task[3].split()) for task in tasks]
    assert int(row["words"]) == words[0] + words[2]
    assert row["prompt"] == recorded[0]["prompt"]

    table = Path(hparams["output_folder"], "table.md").read_text()
    lines = [line.split(" | ") for line in table.splitlines() if "|" in line]
    assert lines[0][0] == "| system" and lines[0][-2:] == [
        "RTF",
        "finished (%) |",
    ]
    assert lines[0][1:6] == [
        "tokens/s",
        "length",
        "words",
        "length †",
        "words †",
    ]
    assert [line[0][2:] for line in lines[2:]] == systems
    assert lines[2][-2:] == ["-", "- |"] and float(lines[4][-2]) > 0
    assert "3 tasks with 2 prompts" in table and "Judge: a ruler." in table
    assert "1 pieces, 0 of them over 30 s" in table
    folder = Path(hparams["output_folder"])
    assert (folder / "figures.png").stat().st_size > 1000
    heard = {path.stem for path in folder.glob("samples/*/*.wav")}
    wanted = {"prompt", "Ground_truth", "Other", "GogoSpeech"}
    assert heard == {*wanted, "GogoSpeech_w_allocator"}


def test_systems_of_one_name_are_refused(recipe, speech, hparams, tiny_tasks):
    """One of them would not be evaluated."""
    folder = Path(hparams["output_folder"]).parent / "other"
    folder.mkdir()
    for line in tiny_tasks.read_text().splitlines():
        (folder / f"{line.split('|')[0]}.wav").touch()
    for name in WITHOUT, "GogoSpeech_w_allocator", "Ground truth":
        hparams["other_systems"] = {name: str(folder)}
        with pytest.raises(ValueError, match=f"one name, .*{name}.*: rename"):
            recipe.evaluate(speech, [Lengths()], hparams)


def test_resampling_for_judges_is_lossless(recipe, tmp_path):
    """Audio at 16 kHz, read at 24 kHz and evaluated at 16 kHz, is unchanged."""
    from judging import read_speech
    from scipy.signal import resample

    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0)) / 9
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise.numpy(), 16000, subtype="FLOAT")
    wav = read_speech(path, 24000)
    assert wav.shape == (24000,)
    again = torch.from_numpy(resample(wav.numpy(), 16000))
    assert torch.allclose(again, noise, atol=1e-5)


@pytest.mark.long
def test_killed_evaluation_resumes(recipe, speech, hparams, monkeypatch):
    """Nothing is synthesized twice, and the results equal an uninterrupted run."""
    hparams |= {"allocate": [False], "rtf_trials": 0}
    calls, say = [], speech.clone_voice_batch

    def may_be_killed(requests, *args, **options):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(requests)
        return say(requests, *args, **options)

    monkeypatch.setattr(speech, "clone_voice_batch", may_be_killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.evaluate(speech, [Lengths()], hparams)
    assert len(read_rows(hparams, "speech")) == 2
    calls.clear()
    resumed = recipe.evaluate(speech, [Lengths()], hparams)
    assert len(calls) == 1
    assert recipe.evaluate(speech, [Lengths()], hparams) == resumed
    assert len(calls) == 1

    monkeypatch.setattr(speech, "clone_voice_batch", say)
    folder = Path(hparams["output_folder"])
    hparams |= {"output_folder": f"{folder}_at_once", "batch_size": 3}
    assert recipe.evaluate(speech, [Lengths()], hparams) == resumed
    for path in folder.glob("speech/*/*.wav"):
        fresh = Path(hparams["output_folder"], path.relative_to(folder))
        assert fresh.read_bytes() == path.read_bytes()

    hparams["seed"] = 1
    with pytest.raises(ValueError, match="seed: 0, now 1"):
        recipe.evaluate(speech, [Lengths()], hparams)


def test_tasks_without_speech_are_counted(recipe, speech, hparams, tmp_path):
    """Too long prompts count as a second of silence; broken files are errors."""
    soundfile.write(tmp_path / "short.wav", 0.1 * torch.randn(24000), 24000)
    soundfile.write(tmp_path / "long.wav", 0.1 * torch.randn(24000 * 20), 24000)
    meta = tmp_path / "meta.lst"
    lines = ["a|why so|short.wav|a fox", "b|why so|long.wav|a dog"]
    meta.write_text("\n".join(lines))
    hparams |= {"meta_list": str(meta), "expected_utterances": 2}
    hparams |= {"allocate": [False], "rtf_trials": 0}
    recipe.evaluate(speech, [Lengths()], hparams)
    said = read_rows(hparams, "speech")
    assert "leaves no positions for speech" in said["b", WITHOUT]["unspoken"]
    assert said["b", WITHOUT]["finished"] == "0" == said["b", WITHOUT]["tokens"]
    assert read_rows(hparams, "utterances")["b", WITHOUT]["length"] == "1.0"
    table = Path(hparams["output_folder"], "table.md").read_text()
    assert "1 tasks without speech" in table and "†: " in table

    for change, message in (
        ({"expected_utterances": 1000}, "has 2 tasks, .* says 1000"),
        ({"other_systems": {"X": tmp_path}}, "X: 2 of 2 audio files"),
    ):
        with pytest.raises(ValueError, match=message):
            recipe.evaluate(speech, [Lengths()], {**hparams, **change})
    (tmp_path / "long.wav").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 .* missing.*long\.wav"):
        recipe.evaluate(speech, [Lengths()], hparams)
    (tmp_path / "long.wav").write_text("no audio")
    hparams["output_folder"] += "_broken"
    with pytest.raises(ValueError, match=r"long\.wav is no audio file"):
        recipe.evaluate(speech, [Lengths()], hparams)
    del speech.codec.mods["allocator"]
    with pytest.raises(ValueError, match="no token allocator"):
        recipe.evaluate(speech, [Lengths()], {**hparams, "allocate": [True]})


def test_tokenizer_belongs_to_the_model(
    recipe, speech, hparams, tmp_path, monkeypatch
):
    """Speech by another tokenizer of a language model is not resumed."""
    model, found = tmp_path / "model", []
    shutil.copytree(hparams["source"], model)
    monkeypatch.setattr(recipe, "synthesize", lambda *args: found.append(args))
    for content in "ab":
        (model / "stage1" / "tokenizer.json").write_text(content)
        recipe.speak(speech, [], {**hparams, "source": str(model)}, tmp_path)
    assert found[0][4]["model"] != found[1][4]["model"]


def test_speed_is_measured_once(recipe, speech, hparams, tmp_path):
    [task, *_] = recipe.read_tasks(hparams["meta_list"])
    given = speech, task, {WITHOUT: False}, hparams, tmp_path
    first, note = recipe.measure_speed(*given)
    assert recipe.measure_speed(*given) == (first, note)
    found = json.loads((tmp_path / "speed.json").read_text())
    trial = found["trials"][WITHOUT]
    assert first[WITHOUT] == trial["computing"] / trial["audio"]
    assert (
        "47 characters, CPU time over length of 1 trials" in note
        and "fp32" in note
    )
