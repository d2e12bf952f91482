"""Formats that libsndfile cannot seek in: telephone codecs and samplers."""

import io
import tarfile
from collections import Counter

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.audio.files import read_audio, stream_audio
from speechbrain_gogo.dataio.manifests.dataset import speech_dataset
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.shards.webdataset import AudioShards

RATE = 8000
FORMATS = [
    ("WAV", "GSM610"),
    ("W64", "GSM610"),
    ("AIFF", "GSM610"),
    ("WAV", "G721_32"),
    ("AU", "G721_32"),
    ("AU", "G723_24"),
    ("AU", "G723_40"),
    ("WAV", "NMS_ADPCM_16"),
    ("WAV", "NMS_ADPCM_32"),
]


@pytest.mark.parametrize("kind, subtype", FORMATS)
def test_all_ways_of_reading_give_equal_samples(tmp_path, kind, subtype):
    tone = 0.3 * np.sin(np.arange(2 * RATE) / 10)
    file = io.BytesIO()
    soundfile.write(file, tone, RATE, format=kind, subtype=subtype)
    path = tmp_path / "clip.wav"
    path.write_bytes(file.getvalue())
    (tmp_path / "clips.csv").write_text(
        f"ID,duration,wav,wrd\nclip,2.0,{path},words\n"
    )
    with tarfile.open(tmp_path / "clips.tar", "w") as tar:
        tar.add(path, "clip.wav")

    wav = read_audio(path, RATE)
    assert abs(len(wav) - len(tone)) <= 320  # whole blocks of the codec
    error = wav[: len(tone)] - torch.from_numpy(tone[: len(wav)]).float()
    assert error.square().mean() < 0.05 * np.square(tone).mean()

    pieces = list(stream_audio(path, RATE, block_seconds=0.3))
    dataset, _ = speech_dataset(tmp_path / "clips.csv", sample_rate=RATE)
    rows = ManifestShards(
        tmp_path / "clips.csv", tmp_path, 60, sample_rate=RATE
    )
    (clips,) = rows.batches(rows.shards[0], Counter())
    (item, _) = AudioShards(tmp_path / "clips.tar", 60, sample_rate=RATE)
    for found in (
        torch.cat(pieces),
        dataset[0]["sig"],
        rows.decode(clips, Counter()).sig.data[0],
        item.batch.sig.data[0],
    ):
        assert torch.equal(found, wav)
