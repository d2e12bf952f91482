"""Tars that commands write, and tars of remote storage."""

import functools
import http.server
import io
import os
import threading

import fsspec
import pytest
from emilia_tars import write_tar

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.members import read_members
from speechbrain_gogo.dataio.shards.sources import ForwardFile
from speechbrain_gogo.dataio.shards.tars import find_shards, find_splits


@pytest.fixture
def samples(request):
    return request.config.rootpath / "tests" / "samples" / "emilia"


def read(shard):
    """Keys, bytes and counts of a shard."""
    report = ClipReport()
    clips = list(read_members(str(shard), report, ("mp3",), ("json",)))
    return clips, report


def served(folder):
    """A server of a folder on this machine alone."""
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(folder)
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_tars_from_commands_equal_files(samples):
    name = "EN-B00000{0..2}.tar"
    shards = find_shards(f"pipe:cat {samples}/{name}")
    assert len(shards) == 3
    for shard, path in zip(shards, sorted(samples.glob("*.tar"))):
        assert read(shard) == read(path)
    splits = find_splits(shards, shards[1])
    assert splits == {"train": shards[::2], "valid": shards[1:2]}


@pytest.mark.parametrize("command", ["head -c 20000", "exit 3; cat", "no_cat"])
def test_failed_commands_are_counted(samples, command):
    path = samples / "EN-B000000.tar"
    clips, report = read(f"pipe:{command} {path}")
    whole, _ = read(path)
    assert report["broken or cut tar"] == 1
    assert clips == whole[: len(clips)] and len(clips) < len(whole)


def test_members_of_a_clip_must_be_adjacent_in_streams(tmp_path):
    """In a file they may be apart; a stream is read once."""
    names = ["a.json", "b.json", "b.mp3", "a.mp3", "b.json"]
    members = [(name, b"123") for name in names]
    path = write_tar(tmp_path / "apart.tar", members)
    assert [key for key, _ in read(path)[0]] == ["a", "b"]
    clips, report = read(f"pipe:cat {path}")
    assert [(key, sorted(clip)) for key, clip in clips] == [
        ("a", ["json"]),
        ("b", ["json", "mp3"]),
    ]
    assert report == {"duplicate key": 2}


def test_remote_storage_is_listed_and_read(samples):
    memory = fsspec.filesystem("memory")
    for path in sorted(samples.glob("*.tar")):
        memory.pipe(f"/emilia/EN/{path.name}", path.read_bytes())
    memory.pipe("/emilia/EN/notes.txt", b"no tar")
    try:
        every = find_shards("memory://emilia")
        assert [os.path.basename(name) for name in every] == sorted(
            path.name for path in samples.glob("*.tar")
        )
        assert find_shards("memory://emilia/EN/*2.tar") == every[2:]
        assert find_shards("memory://emilia/EN/EN-B00000{0..1}.tar") == [
            name.replace("memory:///", "memory://") for name in every[:2]
        ]
        assert read(every[0]) == read(samples / "EN-B000000.tar")
        with pytest.raises(ValueError, match="No tar file at 'memory://none'"):
            find_shards("memory://none")
        assert read("memory://none/x.tar")[1] == {"broken or cut tar": 1}
    finally:
        memory.rm("/emilia", recursive=True)


def test_shards_over_http(samples):
    pytest.importorskip("aiohttp")
    server = served(samples)
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        shards = find_shards(f"{address}/EN-B00000{{0..2}}.tar")
        assert read(shards[1]) == read(samples / "EN-B000001.tar")
        assert read(f"{address}/none.tar")[1] == {"broken or cut tar": 1}
    finally:
        server.shutdown()


def test_streams_seek_back_within_a_buffer():
    data = os.urandom(300_000)
    file = ForwardFile(io.BytesIO(data))
    for place, length in ((3, 70000), (70002, 9), (69000, 150_000)):
        assert file.seek(place) == place
        assert file.read(length) == data[place : place + length]
        assert file.tell() == place + length
    with pytest.raises(OSError, match="go back to byte 99"):
        file.seek(99)
    file.seek(299_990)
    assert file.read(99) == data[-10:] and file.read(9) == b""
