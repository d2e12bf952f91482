"""Numbers of every clip of tokenised corpora, in arrays that are mapped.

The texts and lengths of 20 million clips take too much memory for each process
of a training. They are computed once, by all ranks together, and stored in a
folder as arrays, from which a process reads the slices that it needs:

    groups.npy      int32 [C]      groups of each clip
    text_at.npy     int64 [C + 1]  clip c has text_ids[text_at[c]:text_at[c + 1]]
    text_ids.npy    int32 [...]    ids of all texts, one text after the other
    index.json      which corpora and tokenizer they belong to, written last

During the computation, part-000000.safetensors has the clips of the first
shard, and so on: after an interruption, only missing parts are computed. C is
the number of clips in all shards of all corpora.
"""

import json
import zlib
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from safetensors import safe_open
from safetensors.numpy import save_file
from speechbrain.utils.distributed import ddp_barrier
from tqdm import tqdm
from webdataset.utils import pytorch_worker_info

from speechbrain_gogo.dataio.replacing import replaced_when_complete

ARRAYS = ("groups", "text_at", "text_ids")
UNREADABLE = -1  # the only id of a text that the tokenizer cannot read


class ClipIndex:
    """Numeric properties of each clip, in memory or mapped.

    ``groups``, ``text_at`` and ``text_ids`` are arrays as in the files, of the
    clips of all ``shards``, a list of TokenShard. Without a text ``tokenizer``
    every text is empty. ``folder`` is that of the arrays, in a subfolder named
    after their sources, which all processes must see; None keeps them in
    memory, for small corpora.
    """

    def __init__(self, shards, tokenizer=None, folder=None):
        self.folder = None
        if folder is None:
            self._keep([clip_numbers(shard, tokenizer) for shard in shards])
            return
        key = _key(shards, tokenizer)
        self.folder = Path(folder) / f"{zlib.crc32(key.encode()):08x}"
        path = self.folder / "index.json"
        if not (path.is_file() and path.read_text() == key):
            _make(self.folder, shards, tokenizer, key)
        self._map()

    def _keep(self, parts):
        """The arrays of all shards, in memory."""
        joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        self.groups, self.text_ids = joined["groups"], joined["text_ids"]
        ends = np.cumsum(joined["text_lengths"], dtype=np.int64)
        self.text_at = np.concatenate([[0], ends])

    def _map(self):
        """The arrays of all shards, on the disk."""
        for name in ARRAYS:
            mapped = np.load(self.folder / f"{name}.npy", mmap_mode="r")
            setattr(self, name, mapped)

    def __getstate__(self):  # worker processes map the files themselves
        return vars(self) if self.folder is None else {"folder": self.folder}

    def __setstate__(self, state):
        vars(self).update(state)
        if self.folder is not None:
            self._map()

    def __len__(self):
        """Clips."""
        return len(self.groups)

    def text(self, clip):
        """Ids of a clip's text, int32 [L]."""
        start, end = self.text_at[clip : clip + 2].tolist()
        return self.text_ids[start:end]

    def text_lengths(self, clips):
        """Numbers of text ids, int64, of some clips, a slice."""
        start, end, _ = clips.indices(len(self))
        return np.diff(self.text_at[start : end + 1])

    def unreadable(self, clips):
        """Which of some clips, a slice, have a text that cannot be read, bool."""
        found = self.text_lengths(clips) == 1
        starts = self.text_at[: len(self)][clips][found]
        found[found] = self.text_ids[starts] == UNREADABLE
        return found


def clip_numbers(shard, tokenizer=None):
    """The arrays of one shard: groups, text_lengths and text_ids."""
    texts = [] if tokenizer is None else _encode(tokenizer, shard.texts())
    lengths = [len(ids) for ids in texts] or [0] * len(shard)
    flat = np.fromiter((i for ids in texts for i in ids), np.int32)
    return {
        "groups": np.asarray(shard.num_groups, np.int32),
        "text_lengths": np.array(lengths, np.int32),
        "text_ids": flat,
    }


def _encode(tokenizer, texts):
    """Ids of texts, [UNREADABLE] of one that has letters without a reading."""
    try:
        return tokenizer.encode_batch(texts)
    except ValueError:
        if len(texts) == 1:
            return [[UNREADABLE]]
        return [_encode(tokenizer, [text])[0] for text in texts]


def _key(shards, tokenizer):
    """What the arrays depend on, as text."""
    content = "\n".join(map(_describe, shards))
    folders = sorted({str(shard.path.parent.resolve()) for shard in shards})
    of_text = "none" if tokenizer is None else tokenizer.fingerprint
    facts = {
        "corpora": folders,
        "shards": f"{zlib.crc32(content.encode()):08x}",
        "tokenizer": of_text,
    }
    return json.dumps(facts, indent=2) + "\n"


def _describe(shard):
    """Text that changes with a shard, also if its codec and length are the same."""
    written = shard.path.stat()
    return (
        f"{shard.path.name} {shard.fingerprint} {len(shard)} "
        f"{written.st_size} {written.st_mtime_ns}"
    )


def _make(folder, shards, tokenizer, key):
    """Each rank computes its share of the parts, the first one joins them."""
    folder.mkdir(parents=True, exist_ok=True)
    rank, ranks, *_ = pytorch_worker_info()
    paths = [folder / f"part-{n:06d}.safetensors" for n in range(len(shards))]
    mine = list(zip(shards, paths))[rank::ranks]
    for shard, path in tqdm(mine, desc="index of clips", disable=rank > 0):
        if not path.is_file():
            with replaced_when_complete(path) as partial:
                save_file(clip_numbers(shard, tokenizer), partial)
    ddp_barrier()
    if rank == 0:
        _join(folder, [safe_open(str(path), "np") for path in paths])
        (folder / "index.json").write_text(key)
        for path in paths:
            path.unlink()
    ddp_barrier()


def _join(folder, parts):
    """Write each array as one file."""
    for name in ("groups", "text_ids"):
        sizes = [part.get_slice(name).get_shape()[0] for part in parts]
        file = folder / f"{name}.npy"
        out = open_memmap(file, "w+", np.int32, (sum(sizes),))
        for part, size, end in zip(parts, sizes, np.cumsum(sizes)):
            out[end - size : end] = part.get_tensor(name)
    lengths = [part.get_tensor("text_lengths") for part in parts]
    ends = np.cumsum(np.concatenate([[0], *lengths]), dtype=np.int64)
    np.save(folder / "text_at.npy", ends)
