"""Reading the clips of a tar, in memory.

The members of a clip need not be adjacent in a tar file: a first pass reads the
headers, a second one the clips, in the order in which they begin. A stream is
read once: there, a clip consists of adjacent members. The reader of the webdataset
library drops links, repeated keys and everything after damaged data without
counting them; here everything that is read is used or counted by reason.
"""

import math
import os
import tarfile
from collections import Counter
from functools import partial
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple

from speechbrain_gogo.dataio.ids import escape_bytes, unfit_id
from speechbrain_gogo.dataio.shards.sources import open_shard

BROKEN, UNSAFE = "broken or cut tar", "unsafe tar member"
LEFT_OVER = "data behind the end of the tar"
LARGEST = 2**30  # bytes of a member; a larger size means a damaged header
LARGEST_SPARSE = 2**28  # bytes that a sparse member may expand to
APPLE_DOUBLE = b"\0\5\x16\7"  # first bytes of the files ._x that macOS creates


class Member(NamedTuple):
    """A file in a tar: its name without suffix, and the position of its bytes.

    ``blocks`` are pairs (position in the file, number of bytes); in the tar they
    follow each other from ``offset`` on. A ``fault`` tells why the file cannot
    be read.
    """

    stem: str
    suffix: str
    offset: int = 0
    size: int = 0
    blocks: tuple = ()
    fault: str | None = None

    @property
    def key(self):
        """The stem up to the first dot, as WebDataset defines it."""
        folder, name = os.path.split(self.stem)
        hidden = len(name) - len(name.lstrip("."))
        return folder, name[:hidden] + name[hidden:].partition(".")[0]


def read_members(path, report, audio, texts):
    """Read the clips of a tar: audio, and the texts that belong to it.

    A clip is an audio member. Texts with the same name without suffix belong to
    it. So do texts with the same key (the name up to the first dot): if
    ``x.speech.wav`` is the only audio with the key ``x``, all of them, else only
    those with the name ``x``. Members before damaged data are used. The first
    of several members of one name is used.

    ``path`` is one of :func:`~speechbrain_gogo.dataio.shards.tars.find_shards`;
    ``audio`` and ``texts`` are the suffixes that are read; ``report`` counts
    the clips that are skipped here. Yields the name without suffix and a dict
    of suffix to bytes. Texts without audio are yielded on their own.
    """
    suffixes = *audio, *texts
    try:
        with open_shard(path) as (file, size):
            members = _list_members(file, size, path, suffixes)
            if size < math.inf:
                read = partial(_read, file)
                yield from _clips(members, read, report, audio)
            else:
                yield from _clips_of_stream(members, file, report, audio)
    except OSError:  # it does not exist, or the disk or the network fails
        report[BROKEN] += 1


def _clips(members, read, report, audio):
    """Join members to clips and read them: yields as ``read_members``."""
    for stem, found in _join(members, audio).items():
        again = _count_repeats(found)
        report.update({"duplicate key": again} if again else {})
        clip = {m.suffix: m for m in reversed(found)}  # the first wins
        faults = [m.fault for m in clip.values() if m.fault]
        name = escape_bytes(str(PurePosixPath(stem)))
        if faults:
            report[faults[0]] += 1
        elif unfit_id(name):
            report["unfit ID"] += 1
        else:
            yield name, {s: read(m) for s, m in clip.items()}


def _clips_of_stream(members, file, report, audio):
    """The same for a stream: adjacent members with one key are a clip."""
    seen = set()
    for key, adjacent in groupby(members, lambda member: member.key):
        # A member is read before the next header is.
        data = {m: None if m.fault else _read(file, m) for m in adjacent}
        if key in seen:
            report["duplicate key"] += 1
            continue
        seen.add(key)
        yield from _clips(list(data), data.get, report, audio)


def _count_repeats(members):
    """How many further members a clip has under a name that it has already."""
    repeats = Counter((member.stem, member.suffix) for member in members)
    return max(repeats.values()) - 1


def _join(members, audio):
    """Map each stem to its members and to the texts of its key."""
    stems, keys = {}, {}
    for member in members:
        stems.setdefault(member.stem, []).append(member)
        keys.setdefault(member.key, {})[member.stem] = None  # an ordered set
    for key, names in keys.items():
        clips = {
            name
            for name in names
            if any(m.suffix in audio or m.fault for m in stems[name])
        }
        shared = [
            name
            for name in names
            if name not in clips
            and (len(clips) == 1 or (clips and name == os.path.join(*key)))
        ]
        texts = [member for name in shared for member in stems.pop(name)]
        for name in clips:
            stems[name] += texts
    return stems


def _list_members(file, size, path, suffixes):
    """Yield the members to read, and one with a fault if the tar is damaged."""
    fault = BROKEN
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # else tarfile keeps every header in memory
                found = _describe(member, size, suffixes, file)
                if found is not None:
                    yield found
                if found is not None and found.fault == BROKEN:
                    return
            fault = _check_end(file, tar.offset)
    except (OSError, ValueError, tarfile.TarError):
        pass
    if fault:  # under a name that no member can have
        yield Member(os.path.join(os.path.abspath(path), ""), "", fault=fault)


def _describe(member, size, suffixes, file):
    """A header as a Member; None if it is not to be read."""
    if member.isdir():
        return None
    stem, extension = os.path.splitext(member.name)
    suffix = extension[1:].lower()
    blocks = ((0, member.size),)
    if member.issparse():
        blocks = tuple((at, count) for at, count in member.sparse if count)
    stored = sum(count for _, count in blocks)
    if _is_unsafe(member):
        return Member(stem, suffix, fault=UNSAFE)
    most = min(LARGEST, size - member.offset_data)
    if not 0 <= stored <= most:
        return Member(stem, suffix, fault=BROKEN)
    if suffix not in suffixes or _is_apple_double(member, file):
        return None
    return Member(stem, suffix, member.offset_data, member.size, blocks)


def _is_unsafe(member):
    """Whether a member is not a regular file inside the tar's folder."""
    name = PurePosixPath(member.name)
    outside = name.is_absolute() or ".." in name.parts
    expands = member.issparse() and member.size > LARGEST_SPARSE
    return outside or not member.isreg() or expands


def _is_apple_double(member, file):
    """Whether a member is metadata that macOS stores beside another one."""
    if not os.path.basename(member.name).startswith("._"):
        return False
    file.seek(member.offset_data)
    return file.read(len(APPLE_DOUBLE)) == APPLE_DOUBLE


def _check_end(file, end):
    """The fault at the end of a tar, None if there is none.

    tarfile treats a damaged header as the end. A complete tar ends with blocks
    of zeros.
    """
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        return BROKEN
    while piece := file.read(2**20):
        if any(piece):
            return LEFT_OVER
    return None


def _read(file, member):
    """The bytes of a member."""
    file.seek(member.offset)
    if member.blocks == ((0, member.size),):
        data = file.read(member.size)
        if len(data) < member.size:
            raise OSError(f"{member.stem} is cut off.")
        return data
    data = bytearray(member.size)
    for place, count in member.blocks:
        data[place : place + count] = file.read(count)
    return bytes(data)
