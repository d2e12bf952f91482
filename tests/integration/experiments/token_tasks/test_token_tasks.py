"""Speech recognition and speaker identification from tokens, and their comparison."""

import csv
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from speechbrain import Stage
from speechbrain.nnet.RNN import LSTM

from speechbrain_gogo.brains.plots import read_log

RECIPES = Path(__file__).resolve().parents[4] / "recipes" / "LibriTTS"
STAGES = ("train", "valid", "test")


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


def test_asr_overfits_two_clips(script, settings, tiny_corpus, tmp_path):
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
        number_of_epochs=16,
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


def test_recognition_does_not_depend_on_the_batch(script):
    """In float32, 5 / 23 of 138 frames is slightly less than 30."""
    forward = script("asr_tokens/train.py")["CTCBrain"].compute_forward
    torch.manual_seed(0)
    brain = SimpleNamespace(
        device="cpu",
        embed=torch.Tensor.float,
        modules=SimpleNamespace(
            frames=lambda x: x.repeat_interleave(6, dim=1),
            rnn=LSTM(4, input_size=3, bidirectional=True),
            output=torch.nn.Identity(),
        ),
    )

    def recognise(*tokens_and_lens):
        batch = SimpleNamespace(tokens=tokens_and_lens)
        batch.to = lambda device: batch
        return forward(brain, batch, Stage.VALID)[0]

    tokens = torch.randint(9, (2, 23, 3))
    together = recognise(tokens, torch.tensor([1.0, 5 / 23]))
    alone = recognise(tokens[1:, :5], torch.ones(1))
    torch.testing.assert_close(together[1:, :30], alone)


def test_clips_of_each_speaker_are_split(script):
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


def test_crops_are_segments_of_clips(script):
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


def test_compare_tokens_trains_and_resumes(
    script, settings, tmp_path, monkeypatch
):
    """compare_tokens.py trains twice; a second call uses the results."""
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
