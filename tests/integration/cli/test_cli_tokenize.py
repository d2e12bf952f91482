"""`gogo tokenize`: a corpus as three formats, also after interruptions."""

import csv
import io
import json
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pytest
import soundfile
import torch
import webdataset
from processes import kill_with, run_ranks, run_torchrun, start_process
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_gogo.inference import GogoCodec

FORMS = ("--form", "npy", "--form", "webdataset", "--form", "datasets")


@pytest.fixture(scope="module")
def codec(tiny_codec_folder):
    return GogoCodec.from_hparams(tiny_codec_folder, run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def done(tokenize, tiny_corpus, tmp_path_factory):
    """The twelve clips of the tiny corpus in every form."""
    folder = tmp_path_factory.mktemp("done")
    manifest, size = tiny_corpus / "train.csv", ("--clips-per-shard", 5)
    line = tokenize(manifest, folder, *FORMS, *size)
    assert "read 12 clips = used 12 + skipped 0 (none)" in line
    return folder


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def arrays(folder):
    """What is in codes/, by id."""
    codes = folder / "codes"
    return {
        str(path.relative_to(codes).with_suffix("")): np.load(path)
        for path in codes.rglob("*.npy")
    }


def from_tars(folder):
    urls = sorted(map(str, folder.joinpath("webdataset").glob("*.tar")))
    return list(webdataset.WebDataset(urls, shardshuffle=False).decode())


def test_all_formats_equal_encode_file(codec, tiny_corpus, done):
    listed = {row["ID"]: row for row in rows(tiny_corpus / "train.csv")}
    paths = {
        key: row["wav"].replace("$data_root", str(tiny_corpus))
        for key, row in listed.items()
    }
    expected = {
        key: codec.encode_file(path).reshape(-1, 1).numpy()
        for key, path in paths.items()
    }
    found = arrays(done)
    assert found.keys() == expected.keys()
    for key, array in found.items():
        assert array.dtype == np.int64 and np.array_equal(array, expected[key])
    samples = from_tars(done)
    assert [s["__key__"] for s in samples] == [s["json"]["id"] for s in samples]
    table = datasets.load_from_disk(str(done / "dataset"))
    table = list(table.with_format("numpy"))
    assert len(table) == len(samples) == 12
    for sample, row in zip(samples, table):
        metadata = sample["json"]
        key = metadata["id"]
        assert np.array_equal(sample["npy"], expected.get(key))
        assert np.array_equal(row.pop("tokens"), expected[key])
        assert row == metadata and metadata["fingerprint"] == codec.fingerprint
        assert metadata["text"] == listed[key]["wrd"]
        assert metadata["speaker"] == listed[key]["spk_id"]
        seconds = soundfile.info(paths[key]).duration
        assert abs(metadata["num_samples"] / 24000 - seconds) < 1e-4


def test_speechbrain_reads_the_manifest(tiny_corpus, done):
    """With the words and audio of the original, and arrays by id or by path."""
    dataset = DynamicItemDataset.from_csv(done / "tokens.csv")
    dataset.add_dynamic_item(
        lambda key: np.load(done / "codes" / f"{key}.npy"), "id", "by_id"
    )
    dataset.add_dynamic_item(np.load, "codes", "by_path")
    names = ("id", "duration", "wav", "spk_id", "wrd", "by_id", "by_path")
    dataset.set_output_keys(list(names))
    known = {row["ID"]: row for row in rows(tiny_corpus / "train.csv")}
    for item in dataset:
        assert np.array_equal(item["by_id"], item["by_path"])
        assert item["wrd"] == known.pop(item["id"])["wrd"]
        info = soundfile.info(item["wav"])
        assert abs(info.duration - float(item["duration"])) < 1e-3
        groups = -(-info.duration * 24000 // 5120)
        assert item["by_id"].shape == (10 * groups, 1)
    assert not known


def test_layouts_and_prefixes(codec, tokenize, tiny_corpus, done, tmp_path):
    few = "--layout", "grouped", "--num-codebooks", 3
    tokenize(tiny_corpus / "valid.csv", tmp_path, *few)
    for key, array in arrays(tmp_path).items():
        path = next(tiny_corpus.rglob(f"{key}.wav"))
        assert np.array_equal(array, codec.encode_file(path)[:, :3].numpy())
    with pytest.raises(ValueError, match="num_codebooks is 3 there and 10"):
        tokenize(tiny_corpus / "valid.csv", tmp_path)
    manifest, size = tiny_corpus / "train.csv", ("--clips-per-shard", 5)
    with pytest.raises(
        ValueError, match="in the layout 'flat, 10 tokens .*: write"
    ):
        tokenize(manifest, done, "--layout", "grouped", *size)


def test_settings_are_checked_before_encoding(tokenize, tiny_corpus, tmp_path):
    manifest, out = tiny_corpus / "valid.csv", tmp_path / "out"
    for words, message in (
        (["--form", "zarr"], "Unknown form .*zarr.*: use npy, webdataset"),
        (["--layout", "round"], "layout='round'"),
        (["--num-codebooks", 11], "num_codebooks=11 is outside 1..10"),
        (["--target-rate", 30], "needs --allocate"),
        (["--allocate", "--num-codebooks", 3], "Either the allocator"),
    ):
        with pytest.raises(ValueError, match=message):
            tokenize(manifest, out, *words)
    with pytest.raises(ValueError, match="No manifest at .*none.csv"):
        tokenize(tmp_path / "none.csv", out)
    with pytest.raises(ValueError, match="No tar file at"):
        tokenize(tmp_path / "none", out)
    assert not out.exists()


def test_manifest_of_tokens_is_read_from_any_folder(
    tokenize, tiny_corpus, tmp_path, monkeypatch
):
    monkeypatch.chdir(tiny_corpus.parent)
    tokenize(f"{tiny_corpus.name}/valid.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    for row in rows(tmp_path / "tokens.csv"):
        for path in (row["wav"], row["codes"]):
            assert Path(path).is_absolute() and Path(path).is_file()


def test_allocator_masks_tokens(codec, tiny_corpus, tmp_path):
    from speechbrain_gogo.inference.files.corpora import (
        find_source,
        tokenize_to_folder,
    )

    def allocate(tokens, lens, target_rate):
        assert target_rate == 30
        return 3 + torch.arange(tokens.shape[1]).expand(len(tokens), -1) % 5

    source = find_source(tiny_corpus / "valid.csv", codec.sample_rate)
    wanted = {"layout": "grouped", "allocation": {"target_rate": 30}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "allocate", allocate)
        tokenize_to_folder(codec, source, tmp_path, **wanted)
    for key, array in arrays(tmp_path).items():
        full = codec.encode_file(next(tiny_corpus.rglob(f"{key}.wav")))
        budgets = 3 + np.arange(len(full)) % 5
        kept = np.arange(10) < budgets[:, None]
        assert np.array_equal(array, np.where(kept, full, codec.mask_id))


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def test_tars_of_any_audio(codec, tokenize, tmp_path):
    tone = 0.3 * np.sin(np.arange(24000) / 10)

    def sound(suffix):
        file = io.BytesIO()
        soundfile.write(file, tone, 24000, format=suffix)
        return file.getvalue()

    (tmp_path / "tars").mkdir()
    with tarfile.open(tmp_path / "tars" / "one.tar", "w") as tar:
        add(tar, "a.wav", sound("wav"))
        add(tar, "a.txt", b"It costs $5.")
        add(tar, "b/c.1.flac", sound("flac"))
        told = {"text": "Good morning.", "speaker": 7}
        add(tar, "b/c.1.json", json.dumps(told).encode())
        add(tar, "./b2/c.1.wav", sound("wav"))  # of the same name
        nothing = {"text": None, "speaker": None, "duration": None}
        add(tar, "./b2/c.1.json", json.dumps(nothing).encode())
        add(tar, "d.json", b"{}")
        add(tar, "e.wav", sound("wav")[:30])
        add(tar, "f.wav", sound("wav"))
        add(tar, "f.json", b"[")
        add(tar, "../g.wav", sound("wav"))
    with tarfile.open(tmp_path / "tars" / "two.tar", "w") as tar:
        add(tar, "a.wav", sound("wav"))
        add(tar, "h.mp3", sound("mp3"))
    out = tmp_path / "out"
    line = tokenize(tmp_path / "tars", out, *FORMS)
    counts = {
        "id of an earlier shard": 1,
        "invalid json": 1,
        "no audio": 1,
        "unreadable audio": 1,
        "unsafe tar member": 1,
    }
    told = ", ".join(f"{reason}: {n}" for reason, n in counts.items())
    assert f"read 9 clips = used 4 + skipped 5 ({told})" in line
    found = arrays(out)
    assert found.keys() == {"a", "b/c.1", "b2/c.1", "h"}
    heard, _ = soundfile.read(io.BytesIO(sound("flac")), dtype="float32")
    known, _ = codec.encode_batch(torch.from_numpy(heard)[None])
    assert np.array_equal(found["b/c.1"], known.reshape(-1, 1).numpy())
    samples = {s["json"]["id"]: s for s in from_tars(out)}
    assert samples["b/c.1"]["__key__"] == "b%2Fc%2E1"
    assert samples["b/c.1"]["json"]["speaker"] == "7"
    metadata = samples["b2/c.1"]["json"]
    assert metadata["speaker"] == metadata["text"] == ""
    assert samples["a"]["json"]["text"] == "It costs $5."
    read = DynamicItemDataset.from_csv(out / "tokens.csv")
    assert read.data["a"]["wrd"] == "It costs $ 5."

    header = out / "corpus" / "corpus.json"
    begun = json.loads(header.read_text())
    del begun["source"]["ids"]  # when they were names without folders
    header.write_text(json.dumps(begun))
    with pytest.raises(ValueError, match="ids is None there and whole paths"):
        tokenize(tmp_path / "tars", out)


def test_ids_cannot_leave_the_folder(tokenize, tiny_corpus, tmp_path):
    row = rows(tiny_corpus / "valid.csv")[0]
    wav = row["wav"].replace("$data_root", str(tiny_corpus))
    text = f"ID,duration,wav\n../away,{row['duration']},{wav}\n"
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(ValueError, match="'../away' would lead out of"):
        tokenize(tmp_path / "clips.csv", tmp_path / "out")
    assert not (tmp_path / "away.npy").exists()


@pytest.mark.parametrize(
    "launch", [run_ranks, pytest.param(run_torchrun, marks=pytest.mark.long)]
)
def test_killed_run_is_completed_by_two_processes(
    launch, tiny_codec_folder, tiny_corpus, done, tmp_path
):
    words = ["tokenize", tiny_corpus / "train.csv", tmp_path, *FORMS[:4]]
    words += ["--clips-per-shard", 5, "--codec", tiny_codec_folder]
    code = "from speechbrain_gogo.cli import main; main()"
    (tmp_path / "gogo.py").write_text(code)
    first = tmp_path / "corpus" / "000000.safetensors"
    given = tmp_path / "gogo.py", words, tmp_path / "printed.txt"
    made = kill_with(first, start_process(*given), given[-1])

    launch(*given)
    assert "used 12 + skipped 0" in (tmp_path / "printed.txt").read_text()
    assert first.stat().st_mtime_ns == made
    found, expected = arrays(tmp_path), arrays(done)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in found)
    one, other = (rows(f / "tokens.csv") for f in (tmp_path, done))
    assert [r.pop("codes") for r in one] != [r.pop("codes") for r in other]
    assert one == other
    for tar in done.joinpath("webdataset").glob("*.tar"):
        again = tmp_path / "webdataset" / tar.name
        assert again.read_bytes() == tar.read_bytes()
    assert not list(tmp_path.rglob("partial-*"))
