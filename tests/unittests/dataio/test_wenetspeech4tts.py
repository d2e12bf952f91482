"""The manifests of WenetSpeech4TTS, from an artificial excerpt of its layout."""

import csv

import numpy as np
import pytest
import soundfile

from recipes.common.wenetspeech4tts import prepare_manifests

KEYS = [f"X000000000{n}_50639692_S0003{n}" for n in range(6)]


@pytest.fixture
def corpus(tmp_path):
    """Two parts of a subset and one of another; some clips are faulty."""
    places = [
        "Basic_0",
        "Basic_0",
        "Basic_1",
        "Premium_0",
        "Basic_0",
        "Basic_1",
    ]
    for key, place in zip(KEYS, places):
        part = tmp_path / place.split("_")[0] / f"WenetSpeech4TTS_{place}"
        for kind in ("wavs", "txts"):
            (part / kind).mkdir(parents=True, exist_ok=True)
        wav = np.zeros(16000 + 160 * int(key[10]))
        soundfile.write(part / "wavs" / f"{key}.wav", wav, 16000)
        text = f"{key}\t他说今天天气很好\n[0.0, 1.0]\n"
        (part / "txts" / f"{key}.txt").write_text(text, encoding="utf-8")
    part = tmp_path / "Basic/WenetSpeech4TTS_Basic_0"
    (part / "txts" / f"{KEYS[4]}.txt").unlink()  # one clip of Basic_6 has none
    part = tmp_path / "Basic/WenetSpeech4TTS_Basic_1"
    (part / "wavs" / f"{KEYS[5]}.wav").write_bytes(b"RIFF")
    return tmp_path


def settings(corpus, **changes):
    return {
        "data_folder": corpus,
        "subsets": ["Basic", "Premium"],
        "valid_clips": 1,
        "train_csv": corpus / "train.csv",
        "valid_csv": corpus / "valid.csv",
        **changes,
    }


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_manifest_of_an_excerpt(corpus):
    report = prepare_manifests(settings(corpus))
    assert report.used == 4 and sum(report.skipped.values()) == 2
    assert report.skipped["no text"] == 1
    train, valid = read(corpus / "train.csv"), read(corpus / "valid.csv")
    assert len(train) == 3 and len(valid) == 1
    rows = {row["ID"]: row for row in train + valid}
    assert set(rows) == set(KEYS[:4])
    row = rows[KEYS[3]]
    assert row["wrd"] == "他说今天天气很好"
    assert row["spk_id"] == "X0000000003_50639692"
    assert float(row["duration"]) == pytest.approx(1.03)
    path = row["wav"].replace("$data_root", str(corpus))
    assert soundfile.info(path).frames == 16480
    assert prepare_manifests(settings(corpus)) is None  # they are there


def test_missing_subset(corpus):
    with pytest.raises(ValueError, match="WenetSpeech4TTS_Standard_<n>/wavs"):
        prepare_manifests(settings(corpus, subsets=["Standard"]))
