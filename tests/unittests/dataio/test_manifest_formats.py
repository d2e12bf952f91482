"""Manifests as spreadsheets, pandas, R and other programs write them."""

import csv
from collections import Counter

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.ids import file_name, unfit_id
from speechbrain_gogo.dataio.manifests.dataset import speech_dataset
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.manifests.rows import read_table
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.files import corpora

HEAD = "ID,duration,wav,wrd"
ROWS = ["a,2.0,a.wav,one", "b,2.0,b.wav,two, and more", "c,2.0,c.wav,three"]
ROWS[1] = 'b,2.0,b.wav,"two, and more"'
TABLE = "\n".join([HEAD, *ROWS]) + "\n"
WORDS = {"a": "one", "b": "two, and more", "c": "three"}


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def words(path, data):
    rows, report = read_manifest(write(path, data), "/data")
    return {key: row["wrd"] for key, row in rows.items()}, dict(report)


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        b"\xef\xbb\xbf" + TABLE.encode(),  # "CSV UTF-8" of a spreadsheet
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        TABLE.replace("\n", "\n\n") + ",,,\n",  # empty rows of a spreadsheet
        # Row names of R or the index of pandas, every text in quotes.
        '"","ID","duration","wav","wrd"\n'
        '"1","a",2.0,"a.wav","one"\n'
        '"2","b",2.0,"b.wav","two, and more"\n'
        '"3","c",2.0,"c.wav","three"\n',
        TABLE.replace(",", ", ").replace("two,  and", "two, and"),
        TABLE.replace("\n", ",\n"),  # a delimiter at the end
        TABLE.rstrip("\n"),
    ],
)
def test_manifests_of_all_programs_have_the_same_rows(tmp_path, data):
    assert words(tmp_path / "clips.csv", data) == (WORDS, {})


@pytest.mark.parametrize(
    "data, told",
    [
        (TABLE.encode("utf-16"), "line 1, is UTF-16"),
        (TABLE.encode("utf-16-le"), "line 1, holds a NUL byte"),
        (TABLE.replace("three", "caf\xe9").encode("latin-1"), "line 4, .*0xe9"),
        (TABLE.replace(",", ";"), "line 1: .* semicolons"),
        (TABLE.replace(",", "\t"), "line 1: .* tabs"),
        ("", "no column"),
        ("x" * 140_000 + "\n", "no column"),
    ],
)
def test_errors_name_file_and_line(tmp_path, data, told):
    with pytest.raises(ValueError, match=f"clips.csv.*{told}"):
        words(tmp_path / "clips.csv", data)


def test_malformed_rows_are_counted(tmp_path):
    rows = [
        *ROWS,
        'd,2.0,d.wav,"no end',  # unclosed, up to ...
        'e,2.0,e.wav,and so on"',
        "f,2.0,f.wav,hello, world",  # a comma without quotes
        "g,2.0",  # cut off
        f"h,2.0,h.wav,{'x' * 140_000}",
        'i,2.0,i.wav,"of two\nlines, all in all"',
        'j,2.0,j.wav,"""I do,"" he said."',
        ",2.0,k.wav,nameless",
        'l,2.0,l.wav,"the last one has no end',
    ]
    found, report = words(tmp_path / "clips.csv", "\n".join([HEAD, *rows]))
    assert found == {
        **WORDS,
        "d": "no end",
        "e": 'and so on"',
        "g": "",
        "i": "of two\nlines, all in all",
        "j": '"I do," he said.',
        "l": "the last one has no end",
    }
    assert report == {"more fields than columns": 2, "no ID": 1}
    assert len(found) + sum(report.values()) == len(rows)


def test_impossible_paths_are_missing_files(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(48000, 0.1), 24000)
    names = "a.wav", "y" * 300 + ".wav", "z/" * 3000 + "z.wav"
    rows = [f"{n},2.0,$data_root/{p},hi" for n, p in enumerate(names)]
    rows += ["x,inf,$data_root/a.wav,hi", "y,-1,$data_root/a.wav,hi"]
    path = write(tmp_path / "clips.csv", "\n".join([HEAD, *rows]))
    _, report = speech_dataset(
        path, tmp_path, min_seconds=0, max_seconds=np.inf
    )
    assert report.used == 1 and report.skipped["missing file"] == 2
    assert report.read == len(rows)


@pytest.mark.parametrize(
    "kind, subtype",
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("WAV", "GSM610"), ("MP3", None)],
)
def test_rows_with_start_and_stop(tmp_path, kind, subtype):
    """start and stop count samples of the file, as SpeechBrain has them."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(32000)
    path = tmp_path / "long.audio"
    soundfile.write(path, noise, 8000, format=kind, subtype=subtype)
    whole = read_clip(path, 8000)
    rows = [
        f"a,1.0,{path},hi,8000,16000",
        f"b,2.0,{path},hi,16000.0,32000.0",  # pandas where cells are empty
        f"c,{len(whole) / 8000},{path},hi,,",
        f"d,1.0,{path},hi,0.5,1.5",
        f"e,1.0,{path},hi,900,800",
        f"f,1.0,{path},hi,nan,9000",
        f"g,4.0,{path},hi,32000,64000",
        f"h,2.0,{path},hi,0,8000",
    ]
    csv_path = tmp_path / "clips.csv"
    write(csv_path, "\n".join([f"{HEAD},start,stop", *rows]))
    data, report = speech_dataset(csv_path, sample_rate=8000)
    assert report == {"used": 5, "start or stop is no sample": 3}
    found = {item["id"]: item["sig"] for item in data}
    for key, first, end in (("a", 8000, 16000), ("b", 16000, 32000)):
        assert torch.equal(found[key], whole[first:end])
    assert torch.equal(found["c"], whole)
    assert found["g"].reason == "part beyond its file"
    assert found["h"].reason == "not as long as its row says"

    source = ManifestShards(csv_path, tmp_path, 60, sample_rate=8000)
    report, heard = Counter(), {}
    for clips in source.batches(source.shards[0], report):
        batch = source.decode(clips, report)
        lens = (batch.sig.lengths * batch.sig.data.shape[1]).round().int()
        for key, wav, count in zip(batch.id, batch.sig.data, lens):
            heard[key] = wav[:count]
    assert sorted(heard) == ["a", "b", "c"] and sum(report.values()) == 8
    assert torch.equal(heard["b"], whole[16000:32000])
    assert source.parts["a"] == (8000, 16000) and "c" not in source.parts
    with pytest.raises(AudioError, match="part beyond"):
        read_clip(path, 8000, (10, 10**9))


@pytest.mark.parametrize(
    "key", ["../a", "/a", "a/../b", "a//b", "./a", "a/", "y" * 256, "a\0b"]
)
def test_invalid_ids_are_refused_before_encoding(tmp_path, key):
    soundfile.write(tmp_path / "a.wav", np.full(48000, 0.1), 24000)
    assert unfit_id(key) and not unfit_id(file_name(key))
    if "\0" in key:  # no manifest can hold it
        return
    path = write(tmp_path / "c.csv", f"{HEAD}\n{key},2.0,{tmp_path}/a.wav,hi\n")
    with pytest.raises(ValueError, match="c.csv: the id .* rename the clip"):
        ManifestShards(path, tmp_path, 60)


def test_long_ids_have_names_of_their_own():
    """Of 9 characters for each of these letters, few fit into a name."""
    first, second = (23 * "\u6bb5" + f"-{place}" for place in "12")
    assert not unfit_id(first) and file_name(first) != file_name(second)
    assert len(file_name(first)) == 150 and file_name("a/b") == "a%2Fb"


def test_tokens_store_parts_and_detect_replaced_files(
    tmp_path, tiny_codec_folder
):
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    soundfile.write(tmp_path / "a.wav", np.full(48000, 0.1), 24000)
    rows = "a,1.0,a.wav,hi,0,24000", "b,2.0,a.wav,hi,,"
    table = "\n".join([f"{HEAD},start,stop", *rows])
    table = table.replace(",a.wav", f",{tmp_path}/a.wav")
    path = write(tmp_path / "clips.csv", table)

    def tokenize():
        source = corpora.find_source(path, codec.sample_rate)
        return corpora.tokenize_to_folder(codec, source, tmp_path / "out")

    assert tokenize().clips == {"used": 2}
    names, rows = read_table(tmp_path / "out" / "tokens.csv")
    told = [dict(zip(names, row)) for row in rows]
    assert [(row["start"], row["stop"]) for row in told] == [
        ("0", "24000"),
        ("", ""),
    ]
    assert tokenize().clips == {"used": 2}  # again, nothing has changed
    soundfile.write(tmp_path / "a.wav", np.full(48000, 0.2), 24000)
    with pytest.raises(ValueError, match="audio is .* there and .* here"):
        tokenize()


def test_csv_reader_equals_the_csv_module(tmp_path):
    """With all styles of quoting."""
    rng = np.random.default_rng(0)
    letters = np.array(list('ab ",\n\r;x'))
    rows = [
        ["k" + "".join(rng.choice(letters, 6)) for _ in range(3)]
        for _ in range(200)
    ]
    path = tmp_path / "clips.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["ID", "duration", "wav"], *rows])
    names, found = read_table(path)
    assert names == ["ID", "duration", "wav"] and found == rows
