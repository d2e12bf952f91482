"""LibriTTS as it is unpacked, turned into a manifest."""

import csv
import shutil

import pytest
import soundfile

from recipes.common.manifests import write_manifest


def test_utterances_are_listed_or_counted(tiny_corpus, tmp_path):
    folder = shutil.copytree(tiny_corpus, tmp_path / "LibriTTS")
    untold, empty, *good = sorted(folder.glob("train-clean-100/*/*/*.wav"))
    untold.with_suffix(".normalized.txt").unlink()
    soundfile.write(empty, [], 24000)
    path = tmp_path / "train.csv"
    report = write_manifest(folder, ["train-clean-100"], path)
    skipped = {"missing transcript": 1, "empty audio": 1}
    assert report.used == len(good) == 10 and report.skipped == skipped
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(tiny_corpus / "train.csv", newline="") as file:
        expected = {row["ID"]: row for row in csv.DictReader(file)}
    assert [row["ID"] for row in rows] == [wav.stem for wav in good]
    for row in rows:
        known = expected[row["ID"]]
        duration = float(known.pop("duration"))
        assert float(row.pop("duration")) == pytest.approx(duration, abs=1e-4)
        assert row == known

    with pytest.raises(ValueError, match="have to be complete, .*empty audio"):
        write_manifest(folder, ["train-clean-100"], tmp_path / "a.csv", True)
    assert not (tmp_path / "a.csv").exists()


def test_missing_split_is_an_error(tiny_corpus, tmp_path):
    with pytest.raises(ValueError, match="train-other-500.*--skip_prep"):
        write_manifest(tiny_corpus, ["train-other-500"], tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())
