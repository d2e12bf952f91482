"""Lists of tar shards, and their distribution over ranks and workers.

The webdataset library expands, shuffles and splits the lists. Tars are opened in
``sources.py`` and read in ``members.py``; ``emilia.py`` interprets their json.
"""

import os
import zlib
from pathlib import Path

import webdataset as wds
from webdataset.shardlists import expand_urls
from webdataset.utils import glob_with_braces, pytorch_worker_info

from speechbrain_gogo.dataio.shards.sources import (
    find_remote,
    is_command,
    is_local,
    is_remote,
)

HEAD = 4096  # bytes


def find_shards(source):
    """List the tars of a folder, a pattern, or several of them.

    Arguments
    ---------
    source : str, Path or list of them
        A folder (searched recursively), a tar file, a glob pattern
        (``EN/*.tar``), or webdataset's brace pattern
        (``EN-B{000000..000099}.tar``, where every local file has to exist).
        Also remote ones, by their address (``hf://datasets/...``, ``s3://bucket/EN``), or
        a command (``pipe:ssh host cat EN-B{000000..000099}.tar``).

    Returns
    -------
    list of str
        Paths, addresses and commands, sorted within each folder or glob,
        each once.

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
        if is_command(pattern):
            found = [pattern]
        elif is_remote(pattern):
            found = find_remote(pattern)
        elif os.path.isdir(pattern):
            below = Path(pattern).rglob("*")
            tars = (p for p in below if p.suffix.lower() == ".tar")
            found = [str(path) for path in tars if not path.is_dir()]
        elif os.path.exists(pattern):
            found = [pattern]
        else:
            matches = glob_with_braces(pattern)
            found = [path for path in matches if not os.path.isdir(path)]
        if os.path.isdir(pattern) or is_remote(pattern):
            found = [path for path in found if not _is_apple_double(path)]
        if not found:
            raise ValueError(
                f"No tar file at '{pattern}'. Give a folder of tars, a list "
                "of them, or a pattern such as 'EN/EN-B{000000..000009}.tar'; "
                "for a folder of recordings, the train.csv that `gogo manifest "
                "FOLDER` writes."
            )
        shards += sorted(found)
    return list({_same(path): path for path in shards}.values())


def _same(name):
    """The real path of a local tar, else its name: equal for the same tar."""
    return os.path.realpath(name) if is_local(name) else name


def _is_apple_double(path):
    """Whether a file is metadata that macOS stores beside another file."""
    return os.path.basename(path).startswith("._")


def find_splits(train, valid):
    """List the tar files to train on and those held out for validation.

    Both arguments are whatever :func:`find_shards` takes; the files of
    ``valid`` are left out of training, wherever both match. Returns a dict of
    two lists of paths, "train" and "valid".
    """
    held_out = find_shards(valid)
    held = set(map(_same, held_out))
    rest = [path for path in find_shards(train) if _same(path) not in held]
    return {"train": rest, "valid": held_out}


def fingerprint_shards(shards):
    """A checksum, 8 hex digits, that changes with tars, not with their folder.

    It covers sizes and first bytes of local tars (which include the time of the
    first member), and the names of remote ones.
    """
    found = 0
    for path in shards:
        if not is_local(path):
            found = zlib.crc32(path.encode(), found)
            continue
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = zlib.crc32(file.read(HEAD), zlib.crc32(b"%d" % size, found))
    return f"{found:08x}"


def split_shards(shards, seed=None, over_ranks=True):
    """The shards of this rank and worker, in the order of one pass.

    Rank and world size come from the environment or ``torch.distributed``, the
    worker from the DataLoader, all as webdataset finds them. ``shards`` is the
    same list in every process; the seed, a str, is that of the order of all
    shards. With ``over_ranks`` False every rank gets all shards.

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
    """Raise a ValueError if a split leaves a reader without a shard.

    Readers are the workers of a DataLoader (0 counts as one), of each rank if
    the shards are also split over the ranks.
    """
    ranks = pytorch_worker_info()[1] if over_ranks else 1
    workers = max(1, num_workers)
    if len(shards) < ranks * workers:
        most = len(shards) // ranks
        fewer = "fewer ranks"
        if most:
            fewer = f"at most {most} workers (num_workers)"
        raise ValueError(
            f"{len(shards)} shards cannot be split over {ranks} ranks x "
            f"{workers} workers, each needs at least one. Use more shards or "
            f"{fewer}."
        )
