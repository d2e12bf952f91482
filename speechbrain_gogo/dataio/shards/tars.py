"""Tar shards of clips: which ones a reader gets, and how they are read safely.

A shard holds adjacent members of a key, ``<key>.json`` and ``<key>.mp3`` in
Emilia. The webdataset library expands, shuffles and splits the list of shards. Its tar reader is not
used: it drops links, repeated keys and whatever follows a cut without
counting them, and here everything read is either used or counted by reason.
What the json and the audio mean is the matter of ``emilia.py``.
"""

import os
import tarfile
from pathlib import Path, PurePosixPath

import webdataset as wds
from webdataset.shardlists import expand_urls
from webdataset.utils import glob_with_braces, pytorch_worker_info

SUFFIXES = ("json", "mp3")
BROKEN, UNSAFE = "broken or cut tar", "unsafe tar member"


def find_shards(source):
    """List the tar files of a folder, a pattern, or several of them.

    Arguments
    ---------
    source : str, Path or list of them
        A folder (searched with all below it), a tar file, a glob pattern
        (``EN/*.tar``), or webdataset's brace pattern
        (``EN-B{000000..000099}.tar``, where every file has to exist).

    Returns
    -------
    list of str
        Paths, sorted within each folder or glob, each once.

    Raises
    ------
    ValueError
        If an entry, or any expansion of its braces, matches no file.
    """
    entries = source if isinstance(source, (list, tuple)) else [source]
    patterns, shards = [], []
    for entry in map(str, entries):
        patterns += [entry] if os.path.exists(entry) else expand_urls(entry)
    for pattern in patterns:
        if os.path.isdir(pattern):
            found = [str(path) for path in Path(pattern).rglob("*.tar")]
        elif os.path.exists(pattern):
            found = [pattern]
        else:
            found = glob_with_braces(pattern)
        if not found:
            raise ValueError(
                f"No tar file at '{pattern}'. Give a folder of tars, a list "
                "of them, or a pattern such as 'EN/EN-B{000000..000009}.tar'."
            )
        shards += sorted(found)
    return list({os.path.realpath(path): path for path in shards}.values())


def find_splits(train, valid):
    """List the tar files to train on and those held out for validation.

    Arguments
    ---------
    train : str, Path or list of them
        What :func:`find_shards` takes.
    valid : str, Path or list of them
        The same; these files are left out of training, wherever both match.

    Returns
    -------
    dict
        "train" and "valid", each a list of paths.
    """
    held_out = find_shards(valid)
    held = {os.path.realpath(path) for path in held_out}
    every = find_shards(train)
    rest = [path for path in every if os.path.realpath(path) not in held]
    return {"train": rest, "valid": held_out}


def split_shards(shards, seed=None, over_ranks=True):
    """The shards of this rank and worker, in the order of one pass.

    Rank and world size come from the environment or ``torch.distributed``,
    the worker from the DataLoader, all as webdataset finds them.

    Arguments
    ---------
    shards : list of str
        All shards, the same list in every process.
    seed : str
        Of the order of all shards; as listed if None.
    over_ranks : bool
        False gives every rank all shards.

    Returns
    -------
    list of str
        Every ``world_size * num_workers``-th shard.

    Example
    -------
    >>> split_shards(["a.tar", "b.tar"])
    ['a.tar', 'b.tar']
    """
    nodes = [wds.split_by_node] if over_ranks else []
    listed = wds.SimpleShardList(shards, seed=seed)
    pipeline = wds.DataPipeline(listed, *nodes, wds.split_by_worker)
    return [shard["url"] for shard in pipeline]


def check_split(shards, num_workers, over_ranks=True):
    """Refuse a split that would leave a reader without a shard.

    Arguments
    ---------
    shards : list of str
        All shards.
    num_workers : int
        Workers of the DataLoader (0 counts as one reader).
    over_ranks : bool
        Whether the shards are also split over the ranks.

    Raises
    ------
    ValueError
        If there are fewer shards than readers.
    """
    ranks = pytorch_worker_info()[1] if over_ranks else 1
    workers = max(1, num_workers)
    if len(shards) < ranks * workers:
        raise ValueError(
            f"{len(shards)} shards cannot be split over {ranks} ranks x "
            f"{workers} workers, each needs at least one. Use more shards or "
            f"at most {len(shards) // ranks} workers (num_workers)."
        )


def read_shard(path, report):
    """Read the clips of one of Emilia's tars.

    Arguments
    ---------
    path : str
        The tar.
    report : ClipReport
        Counts the clips that are skipped here.

    Yields
    ------
    tuple
        The key (str) and the bytes of its json and of its audio.
    """
    for key, clip in read_members(path, report, SUFFIXES):
        missing = [suffix for suffix in SUFFIXES if suffix not in clip]
        if missing:
            report["no json" if missing[0] == "json" else "no audio"] += 1
        else:
            yield key, clip["json"], clip["mp3"]


def read_members(path, report, suffixes):
    """Read what belongs to each key of a tar, in order, into memory only.

    Kept is what lies before a cut. A key counts once: the first wins.

    Arguments
    ---------
    path : str
        The tar.
    report : ClipReport
        Counts the keys that are skipped here.
    suffixes : sequence of str
        Of the members that are read; the others are passed over.

    Yields
    ------
    tuple
        The key (str) and a dict of suffix to bytes.
    """
    seen = set()
    for key, clip in _group(_members(path, suffixes)):
        faults = [data for data in clip.values() if isinstance(data, str)]
        if key in seen:
            report["duplicate key"] += 1
        elif faults:
            report[faults[0]] += 1
        else:
            yield key, clip
        seen.add(key)


def _group(members):
    """Join adjacent members of one key: yields key, {suffix: data}."""
    key, clip = None, {}
    for name, suffix, data in members:
        if clip and (name != key or suffix in clip):
            yield key, clip
            clip = {}
        key, clip[suffix] = name, data
    if clip:
        yield key, clip


def _members(path, suffixes):
    """Yield key, suffix and bytes; a str in place of bytes is a fault."""
    try:
        with tarfile.open(path, "r:") as tar:
            size = os.path.getsize(path)
            while (member := tar.next()) is not None:
                tar.members.clear()  # tarfile remembers every header
                if member.isdir():
                    continue
                key, extension = os.path.splitext(member.name)
                suffix = extension[1:].lower()
                if _is_unsafe(member):
                    yield key, suffix, UNSAFE
                elif not 0 <= member.size <= size - member.offset_data:
                    yield key, suffix, BROKEN
                    return
                elif suffix in suffixes:
                    yield key, suffix, tar.extractfile(member).read()
            # tarfile takes a cut or broken header for the end of the tar;
            # the true end is a block of zeros.
            tar.fileobj.seek(tar.offset)
            end = tar.fileobj.read(tarfile.BLOCKSIZE)
            whole = end == bytes(tarfile.BLOCKSIZE)
    except (OSError, ValueError, tarfile.TarError):
        whole = False
    if not whole:
        yield os.path.basename(path), "", BROKEN


def _is_unsafe(member):
    """Whether a member is no plain file inside the tar's own folder."""
    name = PurePosixPath(member.name)
    outside = name.is_absolute() or ".." in name.parts
    return outside or not member.isreg() or member.issparse()
