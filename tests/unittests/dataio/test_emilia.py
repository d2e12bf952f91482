"""Emilia shards: every fault of tars and clips is counted by its reason."""

import io
import struct
import tarfile

import numpy as np
import pytest
import soundfile as sf
from emilia_tars import clip, encode, make_loader, write_tar

from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.emilia import decode_audio
from speechbrain_gogo.dataio.shards.members import read_members
from speechbrain_gogo.dataio.shards.webdataset import AudioShards

SUFFIXES = ("mp3",), ("json",)


def test_every_fault_is_counted_by_its_reason(tmp_path):
    link = tarfile.TarInfo("g.mp3")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    sound = encode(1.2)
    cases = [
        ("used", clip("a", text="  Hi. ", audio=encode(1.2, 16000, 2))),
        ("used", clip("b", 20.0, _id="b", phone_count=None)),
        ("no audio", clip("c")[:1]),
        ("no json", clip("d")[1:]),
        ("duplicate key", clip("a", text="again")),
        ("duplicate key", clip("a", text="and again")),
        ("invalid json", [("e.json", b'{"text":'), ("e.mp3", sound)]),
        ("invalid json", [("f.json", b'{"text": 1}'), ("f.mp3", sound)]),
        ("invalid json", clip("u", duration=10**400)),
        ("unsafe tar member", [clip("g")[0], link]),
        ("unsafe tar member", clip("../h")),
        ("unsafe tar member", clip("/outside/i")),
        ("other language", clip("j", language="zh")),
        ("empty text", clip("t", text=" ...")),
        ("too short", clip("k", 0.99)),
        ("too long", clip("l", 20.5)),
        ("too short", clip("m", duration=float("nan"))),
        ("low DNSMOS", clip("n", dnsmos=2.9)),
        ("truncated audio", clip("o", audio=sound[: len(sound) // 2])),
        ("unreadable audio", clip("p", audio=b"not an mp3")),
        ("unreadable audio", clip("q", audio=b"")),
        ("impossible header", clip("r", audio=encode(9))),
        ("NaN or Inf", clip("s", audio=encode(1.2, kind="WAV", value=np.nan))),
    ]
    path = tmp_path / "in" / "x.tar"
    write_tar(path, [member for _, members in cases for member in members])
    before = sorted(tmp_path.rglob("*"))
    loader = make_loader(
        path, 9, training=False, min_dnsmos=3.0, batch_seconds=60
    )
    clips = {id_: (b, n) for b in loader for n, id_ in enumerate(b.id)}
    expected = ClipReport(reason for reason, _ in cases)
    assert loader.report == expected
    assert loader.report.read == len(cases)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was written
    assert clips.keys() == {"a", "b"}
    batch, n = clips["a"]
    assert batch.wrd[n] == "Hi."
    assert batch.speaker[n] == "EN_B00000_S00000"
    sig, lens = batch.sig
    assert round(float(lens[n]) * sig.shape[1]) == 28800  # 1.2 s at 24 kHz


def test_clips_without_a_duration_are_counted(tmp_path):
    """For any limits of the duration."""
    file = io.BytesIO()
    sf.write(file, [], 24000, format="WAV")
    empty = file.getvalue()
    with pytest.raises(AudioError, match="b/c holds no samples"):
        decode_audio(empty, 0.0, 24000, "b/c")
    members = {"a.wav": empty, "b.wav": empty, "b.json": b'{"duration": NaN}'}
    path = write_tar(tmp_path / "odd.tar", members.items())
    shards, report = AudioShards(path, 10), ClipReport()
    shards.min_duration = 0.0
    assert not list(shards.clips(shards.shards[0], report))
    assert report == {"impossible duration": 2}


def test_header_with_an_impossible_length_is_refused():
    data = bytearray(encode(1.2))
    xing = data.index(b"Xing")
    data[xing + 8 : xing + 12] = struct.pack(">I", 2**31 - 1)  # frames
    with pytest.raises(AudioError, match="impossible header"):
        decode_audio(bytes(data), 1.2, 24000)


@pytest.mark.parametrize("part", ["data", "header", "boundary", "end"])
def test_clips_before_a_cut_are_kept(tmp_path, part):
    path = write_tar(tmp_path / "x.tar", [*clip("a"), *clip("b"), *clip("c")])
    with tarfile.open(path) as tar:
        last = tar.getmember("c.json")
    cut = {
        "data": last.offset_data + 10,
        "header": last.offset + 100,
        "boundary": last.offset,
        "end": last.offset + 512 * 1000,
    }[part]
    path.write_bytes(path.read_bytes()[:cut])
    report = ClipReport()
    keys = [key for key, _ in read_members(path, report, *SUFFIXES)]
    if part == "end":  # nothing was lost
        assert keys == ["a", "b", "c"] and report.read == 0
    else:
        assert keys == ["a", "b"] and report == {"broken or cut tar": 1}


def test_file_that_is_not_a_tar(tmp_path):
    path = tmp_path / "x.tar"
    for data in (b"", b"junk" * 500):
        path.write_bytes(data)
        report = ClipReport()
        assert not list(read_members(path, report, *SUFFIXES))
        assert report == {"broken or cut tar": 1}
