"""Manifests: every row is used, or counted by the reason why not."""

import math
import shutil

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.audio import clips
from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.dataset import (
    collate_usable,
    recipe_manifests,
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.dataio.manifests.reading import read_complete_manifest
from speechbrain_gogo.dataio.text.tokenizers import train_tokenizer

RATE = 16000
TONE = 0.3 * np.sin(np.arange(2 * RATE) / 10)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)


def absurd_header(path):
    """A FLAC of two seconds that claims ten hours."""
    write(path, TONE)
    data = bytearray(path.read_bytes())
    place = 4 + 4 + 10  # in STREAMINFO, whose last 36 bits here are a count
    packed = int.from_bytes(data[place : place + 8], "big")
    packed = packed >> 36 << 36 | 10 * 3600 * RATE
    data[place : place + 8] = packed.to_bytes(8, "big")
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path):
    """Good and bad files, with the manifest that lists them."""
    write(tmp_path / "good.wav", TONE)
    write(tmp_path / "stereo.flac", np.stack([TONE, -TONE], 1))
    write(tmp_path / "slow.wav", TONE[:16000], 8000)
    write(tmp_path / "empty.wav", TONE[:0])
    write(
        tmp_path / "nan.wav",
        np.where(TONE > 0.2, math.nan, TONE),
        subtype="FLOAT",
    )
    write(tmp_path / "int16.wav", 20000 * TONE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio at all")
    for name in ("cut.wav", "cut.flac", "cut.ogg"):
        path = tmp_path / name
        write(path, TONE)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    absurd_header(tmp_path / "absurd.flac")
    names = sorted(path.name for path in tmp_path.iterdir())
    rows = [f"{name},2.0,$data_root/{name},It costs $5" for name in names]
    rows += [
        "good.wav,2.0,$data_root/good.wav,again",
        "away,2.0,$data_root/away.wav,words",
        "short,0.5,$data_root/good.wav,words",
        "long,99,$data_root/good.wav,words",
        "unknown,,$data_root/good.wav,words",
        "nothing,nan,$data_root/good.wav,words",
        "silent,2.0,$data_root/good.wav,?!",
        "wrong,1.2,$data_root/good.wav,words",
    ]
    text = "\n".join(["ID,duration,wav,wrd", *rows]) + "\n"
    (tmp_path / "clips.csv").write_text(text)
    return tmp_path


def test_every_row_is_used_or_counted(folder):
    tokenizer = train_tokenizer(["it costs five"], folder / "words.model", 20)
    dataset, report = speech_dataset(
        folder / "clips.csv", folder, tokenizer=tokenizer
    )
    at_the_start = {
        "duplicate ID": 1,
        "missing file": 1,
        "no duration": 2,
        "no words": 1,
        "not 1 to 20 s long": 2,
    }
    assert report.skipped == at_the_start and report.read == 11 + 8
    batch = collate_usable([dataset[i] for i in range(len(dataset))])
    assert len(dataset) == report.used == len(batch.id) + len(batch.skipped)
    assert sorted(batch.id) == ["good.wav", "slow.wav", "stereo.flac"]
    reasons = dict(batch.skipped)
    ogg = reasons.pop("cut.ogg")  # by libsndfile's version
    assert ogg in ("truncated audio", "unreadable audio")
    assert reasons == {
        "empty.wav": "empty audio",
        "nan.wav": "NaN or Inf",
        "int16.wav": "not in [-1, 1]",
        "text.wav": "unreadable audio",
        "cut.wav": "truncated audio",
        "cut.flac": "truncated audio",
        "absurd.flac": "impossible header",
        "wrong": "not as long as its row says",
    }
    wavs, lens = batch.sig
    assert wavs.shape == (3, 48000) and lens.tolist() == [1, 1, 1]
    stereo = wavs[batch.id.index("stereo.flac")]
    assert not stereo.any()  # the mean of a tone and its opposite
    assert batch.text.data.shape[1] > 0


@pytest.mark.parametrize(
    "suffix",
    ("wav", "flac", "ogg", "opus", "mp3", "aiff", "au", "w64", "rf64", "caf")
    + ("nist",),
)
def test_truncated_files_are_counted(tmp_path, suffix):
    """Also if libsndfile does not report an error."""
    path = tmp_path / f"whole.{suffix}"
    formats = {"opus": {"format": "OGG", "subtype": "OPUS"}}
    write(path, TONE, 24000, **formats.get(suffix, {}))
    assert len(read_audio(path, 24000)) == pytest.approx(len(TONE), abs=2000)
    data = path.read_bytes()
    for share in (0.3, 0.5, 0.6, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(AudioError, match="truncated|unreadable"):
            read_audio(path, 24000)


def test_batch_of_broken_clips_is_silence(folder):
    dataset, _ = speech_dataset(folder / "clips.csv", folder)
    items = [dataset[i] for i in range(len(dataset))]
    broken = [item for item in items if isinstance(item["sig"], AudioError)]
    batch = collate_usable(broken[:2])
    assert len(batch.skipped) == 2 and not batch.sig.data.any()
    usable = list(usable_clips(dataset, 2))
    assert [clip["id"] for clip in usable] == ["good.wav", "slow.wav"]


def test_cached_audio_is_equal_at_16_bits(folder, monkeypatch):
    plain, _ = speech_dataset(folder / "clips.csv", folder)
    where = {"cache_folder": folder / "cache"}
    cached, _ = speech_dataset(folder / "clips.csv", folder, **where)
    place = plain.data_ids.index("slow.wav")
    expected, first = plain[place]["sig"], cached[place]["sig"]
    monkeypatch.setattr(clips, "read_clip", None)  # only the cache is left
    again, _ = speech_dataset(folder / "clips.csv", folder, **where)
    torch.testing.assert_close(first, expected, rtol=0, atol=1 / 32767)
    assert torch.equal(again[place]["sig"], first)


def test_cache_is_keyed_by_file(folder):
    """For equal IDs, parts of a file, and a file that was replaced."""
    cache = folder / "cache"

    def heard(rows, rate=RATE):
        text = "\n".join(["ID,duration,wav,wrd,start,stop", *rows]) + "\n"
        (folder / "one.csv").write_text(text)
        data, _ = speech_dataset(
            folder / "one.csv", folder, rate, cache_folder=cache
        )
        return [data[place]["sig"] for place in range(len(data))]

    tone = torch.from_numpy(TONE).float()
    whole = "0,2.0,$data_root/good.wav,words,,"
    (first,) = heard([whole])
    torch.testing.assert_close(first, tone, rtol=0, atol=1e-4)
    part = "1,1.0,$data_root/good.wav,words,16000,32000"
    parts = heard([part, "2,1.0,$data_root/good.wav,words,0,16000"])
    assert torch.equal(torch.cat(parts[::-1]), first)
    assert len(heard([whole], 8000)[0]) == RATE  # the same file, another rate
    write(folder / "loud.wav", 2 * TONE)
    (other,) = heard(["0,2.0,$data_root/loud.wav,words,,"])
    torch.testing.assert_close(other, 2 * tone, rtol=0, atol=1e-4)
    before = len(list(cache.iterdir()))
    write(folder / "good.wav", -TONE)
    (after,) = heard([whole])
    torch.testing.assert_close(after, -tone, rtol=0, atol=1e-4)
    assert len(list(cache.iterdir())) == before  # the old one is gone
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(heard([whole])[0], after)


def test_several_manifests(folder):
    """Each with its own folder; an id counts once."""
    other = folder / "other"
    other.mkdir()
    shutil.copy(folder / "good.wav", other / "more.wav")
    (other / "more.csv").write_text(
        "ID,duration,wav,wrd\n"
        "more,2.0,$data_root/more.wav,words\n"
        "good.wav,2.0,$data_root/more.wav,words\n"
    )
    hparams = {
        "data_folder": folder,
        "train_csv": folder / "clips.csv",
        "valid_csv": folder / "clips.csv",
        "more_train_csv": {other / "more.csv": other},
    }
    manifests = recipe_manifests(hparams)
    alone, first = speech_dataset(manifests["valid"])
    both, report = speech_dataset(manifests["train"])
    assert set(both.data) == {*alone.data, "more"}
    assert (
        report.read
        == first.read + 2
        == report.used + sum(report.skipped.values())
    )
    assert report.skipped["duplicate ID"] == 2
    assert both[len(alone)]["sig"].shape == (48000,)


def test_errors_name_the_manifest(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=f"No manifest at {folder}/none.csv"):
        speech_dataset("none.csv", folder)
    (folder / "bad.csv").write_text("ID,wav\na,b\n")
    with pytest.raises(ValueError, match="bad.csv has no column .*duration"):
        speech_dataset(folder / "bad.csv", folder)
    (folder / "bad.csv").write_text("ID,duration,wav,wrd\na,2,gone.wav,b\n")
    with pytest.raises(ValueError, match="bad.csv .*missing file: 1"):
        speech_dataset(folder / "bad.csv", folder)


def test_test_sets_have_to_be_complete(tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("ID,duration,wav,wrd\na,1.5,$data_root/a.wav,Yes.\n")
    rows = read_complete_manifest(path, "/speech")
    assert rows["a"]["wav"] == "/speech/a.wav"
    path.write_text(path.read_text() + "b,long,$data_root/b.wav,No.\n")
    path.write_text(path.read_text() + "c,nan,$data_root/c.wav,No.\n")
    with pytest.raises(ValueError, match="complete, but .*no duration: 2"):
        read_complete_manifest(path, "/speech")
