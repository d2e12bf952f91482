"""Tars as macOS, GNU tar and other programs write them."""

import io
import subprocess
import tarfile

import numpy as np
import pytest
import soundfile
from emilia_tars import write_tar

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.members import read_members
from speechbrain_gogo.dataio.shards.tars import find_shards
from speechbrain_gogo.dataio.shards.webdataset import AudioShards
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.files import corpora

APPLE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(80)


def audio(seed=0, kind="WAV"):
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(seed).standard_normal(36000)
    soundfile.write(file, noise, 24000, format=kind)
    return file.getvalue()


WAV = audio()


def text(words):
    return f'{{"text": "{words}"}}'.encode()


def read(path):
    """Texts by id, and the report."""
    report, found = ClipReport(), {}
    for item in AudioShards(path, 60):
        report.update(item.report)
        if item.batch is not None:
            found.update(zip(item.batch.id, item.batch.wrd))
    return found, dict(report)


def test_text_that_is_no_utf8(tmp_path):
    """It is not read beside a text in a json, and has a reason of its own."""
    members = [("a.wav", WAV), ("a.json", text("A")), ("a.txt", b"\xff")]
    members += [("b.wav", WAV), ("b.json", b"{}"), ("b.txt", b"\xff")]
    found, report = read(write_tar(tmp_path / "a.tar", members))
    assert found == {"a": "A"} and report == {"used": 1, "invalid txt": 1}


@pytest.mark.parametrize(
    "members, expected",
    [
        (  # macOS
            [("./._a.json", APPLE), ("./a.json", text("A")), ("./a.wav", WAV)]
            + [("./._a.wav", APPLE), ("._.DS_Store", APPLE)],
            {"a": "A"},
        ),
        ([("._a.wav", WAV)], {"._a": ""}),  # a clip, whatever its name
        (  # keys end at the first dot
            [("x.meta.json", text("X")), ("x.speech.wav", WAV)],
            {"x.speech": "X"},
        ),
        (  # but names with dots are clips of their own
            [("s.1.wav", WAV), ("s.1.txt", b"one"), ("s.2.wav", WAV)]
            + [("s.2.json", text("two")), ("s.3.WAV", WAV), ("s.txt", b"all")],
            {"s.1": "one", "s.2": "two", "s.3": "all"},
        ),
        (  # unsorted: all audio first
            [("d/a.wav", WAV), ("d/b.wav", WAV), ("b.wav", WAV)]
            + [("d/b.json", text("B")), ("d/a.txt", b"\xef\xbb\xbfA")],
            {"d/a": "A", "d/b": "B", "b": ""},
        ),
        ([("A.JSON", text("upper")), ("A.Wav", WAV)], {"A": "upper"}),
    ],
)
def test_clips_are_paired_with_texts(tmp_path, members, expected):
    found, report = read(write_tar(tmp_path / "a.tar", members))
    assert found == expected and report == {"used": len(expected)}


def test_texts_without_audio_are_counted(tmp_path):
    members = [("s.1.json", text("lost")), ("s.2.wav", WAV), ("s.3.wav", WAV)]
    found, report = read(
        write_tar(tmp_path / "a.tar", [*members, ("b.m4a", b"aac")])
    )
    assert found == {"s.2": "", "s.3": ""}
    assert report == {"used": 2, "no audio": 1, "unreadable audio": 1}


@pytest.mark.parametrize(
    "format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]
)
def test_long_names(tmp_path, format):
    folder = "/".join(["folder" * 4] * 4)
    name = f"{folder}/{'n' * (90 if format == tarfile.USTAR_FORMAT else 180)}"
    members = (f"{name}.wav", WAV), (f"{name}.json", text("long"))
    found, _ = read(write_tar(tmp_path / "a.tar", members, format=format))
    assert found == {name: "long"}


def test_names_that_are_no_file_names_are_counted(tmp_path):
    members = ("n" * 250 + ".wav", WAV), ("a.wav", WAV)
    found, report = read(write_tar(tmp_path / "a.tar", members))
    assert found == {"a": ""} and report == {"used": 1, "unfit ID": 1}


def test_sparse_members_and_links(tmp_path):
    """Sparse files are read; symbolic and hard links are refused."""
    samples = np.zeros(480_000, np.int16)
    samples[-24000:] = np.frombuffer(WAV[44:48044], np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 24000)
    data = (tmp_path / "a.wav").read_bytes()
    with open(tmp_path / "a.wav", "wb") as file:
        file.write(data[:4096])
        file.seek(len(data) - 48000)
        file.write(data[-48000:])
    (tmp_path / "b.wav").hardlink_to(tmp_path / "a.wav")
    for kind in ("gnu", "pax"):
        tar = ["tar", f"--format={kind}", "-S", "-C", str(tmp_path), "-cf"]
        subprocess.run(
            [*tar, str(tmp_path / "a.tar"), "a.wav", "b.wav"], check=True
        )
        assert (tmp_path / "a.tar").stat().st_size < len(data) / 2  # sparse
        report = ClipReport()
        members = read_members(tmp_path / "a.tar", report, ("wav",), ())
        assert list(members) == [("a", {"wav": data})]
        assert report == {"unsafe tar member": 1}


def test_concatenated_tars_are_reported(tmp_path):
    """Readers stop at the first end of `cat a.tar b.tar`."""
    parts = [
        write_tar(tmp_path / f"{n}.tar", [(f"{n}.wav", WAV)]).read_bytes()
        for n in range(2)
    ]
    (tmp_path / "both.tar").write_bytes(b"".join(parts))
    found, report = read(tmp_path / "both.tar")
    assert found == {"0": ""}
    assert report == {"used": 1, "data behind the end of the tar": 1}


def test_emilia_members_in_any_order(tmp_path):
    told = '{"text": "Hi.", "duration": 1.5, "speaker": "s", "language": "en"}'
    names = [f"EN_W{n}" for n in range(3)]
    mp3 = audio(kind="MP3")
    members = [(f"{name}.mp3", mp3) for name in names]
    members += [(f"{name}.json", told.encode()) for name in names[::-1]]
    members += [(f"._{name}.mp3", APPLE) for name in names]
    write_tar(tmp_path / "EN.TAR", members)
    write_tar(tmp_path / "._EN.tar", [("a.wav", WAV)])
    assert find_shards(tmp_path) == [str(tmp_path / "EN.TAR")]
    (item, _) = EmiliaShards(tmp_path, 60, training=False)
    assert item.report == {"used": 3} and sorted(item.batch.id) == names


def test_names_and_texts_that_are_not_unicode(tmp_path, tiny_codec_folder):
    """The clips are used, with an ID that contains the byte."""
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    half = r'{"text": "Nice \ud83d day.", "speaker": "\udc00", "duration": 1.5}'
    members = ("caf\xe9.json", half.encode()), ("caf\xe9.wav", WAV)
    settings = {"encoding": "latin-1", "format": tarfile.GNU_FORMAT}
    path = write_tar(tmp_path / "a.tar", [*members, ("b.wav", WAV)], **settings)
    path = path.rename(tmp_path / "caf\udce9.tar")  # its own name, too
    source = corpora.find_source(path, codec.sample_rate)
    forms = "npy", "webdataset"
    with pytest.raises(ValueError, match="out%E9.* is no UTF-8"):
        corpora.tokenize_to_folder(codec, source, tmp_path / "out\udce9", forms)
    out = tmp_path / "out"
    report = corpora.tokenize_to_folder(codec, source, out, forms)
    assert report.clips == {"used": 2}
    table = (out / "tokens.csv").read_text()
    assert "caf%E9,1.5000,,\ufffd,Nice \ufffd day.," in table
    assert (out / "codes" / "caf%E9.npy").is_file()

    members = ("caf\xe9.wav", audio(1)), ("b.wav", WAV)
    write_tar(path, members, **settings)
    source = corpora.find_source(path, codec.sample_rate)
    with pytest.raises(ValueError, match="shard contents is"):
        corpora.tokenize_to_folder(codec, source, out, forms)
