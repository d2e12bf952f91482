"""`gogo manifest`: a folder of recordings as manifests that recipes read."""

import csv
import os
import shutil

import pytest
import soundfile
import torch
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.dataio.manifests.dataset import speech_dataset
from speechbrain_gogo.inference.files.manifests import RATE, make_manifests


@pytest.fixture
def recordings(tmp_path):
    """Six recordings, of which each says in its own way what it says."""
    folder = tmp_path / "voice"
    noise = 0.1 * torch.randn(24000, generator=torch.Generator().manual_seed(0))
    for name in ("ann/a.wav", "ann/b.FLAC", "ben/c.wav", "ben/c.flac", "d.ogg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise.numpy(), 24000)
    (folder / "ann/a.txt").write_text("\ufeffFirst,\n  second.\n")
    (folder / "ann/b.txt").write_text("Not this.")
    (folder / "ann/b.normalized.txt").write_text("But this.")
    (folder / "metadata.csv").write_text("c|Mr. C|Mister C.\n\nzzz|nobody\n")
    (folder / "ben/e.wav").write_bytes(b"RIFF no audio")
    (folder / "ben/e.txt").write_text("Broken.")
    return folder


def rows(folder):
    found = {}
    for name in ("train", "valid"):
        with open(folder / f"{name}.csv", newline="") as file:
            found[name] = list(csv.DictReader(file))
    return found


def test_manifests_list_all_recordings(recordings, tmp_path):
    out = tmp_path / "lists"
    line = ["manifest", recordings, "--out", out]
    found = CliRunner().invoke(app, [str(word) for word in line])
    assert found.exit_code == 0
    assert "read 6 clips = used 4 + skipped 2 (" in found.stdout
    assert "no text: 1" in found.stdout
    assert "3 in train.csv, 1 in valid.csv" in found.stdout  # a small folder
    found = rows(out)
    assert len(found["valid"]) == 1
    everything = {row["ID"]: row for part in found.values() for row in part}
    texts = {name: row["wrd"] for name, row in everything.items()}
    assert texts == {
        "ann/a": "First, second.",
        "ann/b": "But this.",
        "ben/c.flac": "Mister C.",  # two recordings of one name
        "ben/c.wav": "Mister C.",
    }
    assert everything["ann/a"]["spk_id"] == "ann"
    assert float(everything["ann/b"]["duration"]) == 1.0
    clips, report = speech_dataset(out / "train.csv", recordings, 24000)
    assert report.used == 3 and clips[0]["sig"].shape == (24000,)


def test_missing_transcripts_are_recognised(recordings):
    heard = []

    def hear(wav):
        heard.append(wav.shape)
        return "I hear."

    latin = os.fsencode(recordings) + b"/caf\xe9.wav"
    shutil.copy(recordings / "ben/c.wav", latin)
    report = make_manifests(recordings, num_valid=2, recognizer=hear, seed=3)
    assert report.used == 5 and heard == [(RATE,)]
    assert report.skipped["name is no UTF-8"] == 1
    both = rows(recordings)
    assert len(both["valid"]) == 2
    [row] = [r for part in both.values() for r in part if r["ID"] == "d"]
    assert (row["wrd"], row["spk_id"]) == ("I hear.", "voice")
    make_manifests(recordings, num_valid=2, recognizer=hear, seed=3)
    assert rows(recordings) == both


def test_wrong_folders_are_errors(recordings, tmp_path):
    with pytest.raises(ValueError, match="too few to set 4 aside"):
        make_manifests(recordings, num_valid=4)
    (recordings / "metadata.csv").write_text("c|C.\nwithout a text\n")
    with pytest.raises(ValueError, match="metadata.csv, line 2"):
        make_manifests(recordings)
    (recordings / "metadata.csv").write_text("c|One.\nc|Another.\n")
    with pytest.raises(ValueError, match="line 2: c comes twice"):
        make_manifests(recordings)
    (recordings / "metadata.csv").write_text("c|One.\n")
    shutil.copytree(recordings / "ben", recordings / "cid")
    with pytest.raises(ValueError, match="one text for 2 recordings .* c,"):
        make_manifests(recordings)
    with pytest.raises(ValueError, match="No file in"):
        make_manifests(tmp_path / "lists")
