"""A shard of tokens: a safetensors file with the clips of one shard of a corpus.

It has the concatenated groups of all its clips, with ids, texts, speakers and
side information for decoding; its metadata have the counts of used and skipped
clips. Files are always complete: they are written under another name and
renamed. Folders of shards are in ``corpus.py``.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from speechbrain_gogo.dataio.ids import escape_bytes
from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.dataio.report import ClipReport

STRINGS = ("id", "text", "speaker")
SIDE = "side."  # prefix of the names of side information


class TokenRow(NamedTuple):
    """One clip: tokens int64 [N, K] and metadata.

    ``num_samples`` is the length of its audio, at the codec's rate; 0 if it is
    unknown. ``side`` has further arguments of the codec's decoder, float32
    tensors by name, with the same shape for all clips.
    """

    id: str
    text: str
    speaker: str
    tokens: torch.Tensor
    num_samples: int = 0
    side: dict = {}


def shard_path(folder, number):
    """Path of a shard of a folder.

    Example
    -------
    >>> shard_path("tokens", 7).name
    '000007.safetensors'
    """
    return Path(folder) / f"{number:06d}.safetensors"


def save_shard(path, rows, header, report, source=""):
    """Write a shard of TokenRows, of which there may be none, atomically.

    The header is that of the corpus, with ``mask_id`` if tokens may be left
    out; ``report`` counts clips used and left out; ``source`` is a description
    for people.
    """
    path = Path(path)
    small = header["vocab_size"] < 2**15
    groups = [row.tokens.cpu().numpy() for row in rows]
    empty = np.zeros((0, header["num_codebooks"]), np.int64)
    arrays = {
        "tokens": np.concatenate([empty, *groups]).astype(
            np.int16 if small else np.int32
        ),  # [sum of N, K]
        "tokens_at": _offsets(groups),  # clip c is tokens[at[c]:at[c + 1]]
        "num_samples": np.array([row.num_samples for row in rows], np.int64),
    }
    for name in STRINGS:
        encoded = [getattr(row, name).encode() for row in rows]
        arrays[name] = np.frombuffer(b"".join(encoded), np.uint8)
        arrays[f"{name}_at"] = _offsets(encoded)
    for name in rows[0].side if rows else ():
        values = [row.side[name].cpu().numpy() for row in rows]
        arrays[SIDE + name] = np.stack(values).astype(np.float32)
    metadata = {
        "fingerprint": header["fingerprint"],
        "codec": header["codec"],
        "vocab_size": str(header["vocab_size"]),
        "report": json.dumps(report),
        "source": escape_bytes(str(source)),
    }
    if "mask_id" in header:
        metadata["mask_id"] = str(header["mask_id"])
    with replaced_when_complete(path) as partial:
        partial.write_bytes(save(arrays, metadata))
    for left in path.parent.glob(f"partial-*-{path.name}"):  # by a kill
        left.unlink(missing_ok=True)


def _offsets(parts):
    """Offsets of concatenated parts, including the end."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


class TokenShard:
    """A shard to read, loaded lazily.

    Arguments
    ---------
    path : str | Path
        A file of :func:`save_shard`.

    Raises
    ------
    ValueError
        If it is none.

    Example
    -------
    >>> path = getfixture("tmp_path") / "000000.safetensors"
    >>> header = {"fingerprint": "a1", "codec": "mine"}
    >>> header |= {"num_codebooks": 10, "vocab_size": 12800}
    >>> row = TokenRow("clip", "Hello.", "anna", torch.ones(3, 10).long())
    >>> save_shard(path, [row], header, ClipReport(used=1))
    >>> shard = TokenShard(path)
    >>> shard[0].text, shard[0].tokens.shape, shard.num_groups
    ('Hello.', torch.Size([3, 10]), tensor([3]))
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            self._stored = safe_open(str(path), "pt")
            metadata = self._stored.metadata() or {}
            at = self._stored.get_slice("tokens_at")
            self._length = at.get_shape()[0] - 1
            keys = set(self._stored.keys())
            self._sides = sorted(k for k in keys if k.startswith(SIDE))
            self.fingerprint = metadata["fingerprint"]
            self.codec = metadata["codec"]
            self.vocab_size = int(metadata["vocab_size"])
            self.largest_id = int(metadata.get("mask_id", self.vocab_size - 1))
            self.report = ClipReport(json.loads(metadata["report"]))
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{path} is no shard of tokens: {error}. If it was damaged, "
                "delete it and tokenise again: only that shard is made anew."
            ) from None

    def __reduce__(self):  # worker processes open the file themselves
        return type(self), (self.path,)

    def __len__(self):
        return self._length

    @property
    def num_groups(self):
        """Groups of each clip, int64 [C], read from the disk."""
        return self._stored.get_tensor("tokens_at").diff()

    def __getitem__(self, place):
        """The clip at an index, a TokenRow."""
        strings = {name: self._string(name, place) for name in STRINGS}
        tokens = self._slice("tokens", place).long()
        wrong = (tokens < 0) | (tokens > self.largest_id)
        if wrong.any():
            group, level = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"{self.path}, clip '{strings['id']}': token id "
                f"{tokens[group, level]} of group {group}, level {level}, is "
                f"outside 0..{self.largest_id}. Delete the file and "
                "tokenise again."
            )
        samples = self._stored.get_slice("num_samples")[place].item()
        side = {
            key.removeprefix(SIDE): self._stored.get_slice(key)[place]
            for key in self._sides
        }
        return TokenRow(
            **strings, tokens=tokens, num_samples=samples, side=side
        )

    def texts(self):
        """The texts of all clips, a list of str."""
        return self._strings("text")

    def speakers(self):
        """The speakers of all clips, a list of str."""
        return self._strings("speaker")

    def _strings(self, name):
        joined = bytes(self._stored.get_tensor(name).numpy())
        at = self._stored.get_tensor(f"{name}_at").tolist()
        return [joined[a:b].decode() for a, b in zip(at, at[1:])]

    def _slice(self, name, place):
        at = self._stored.get_slice(f"{name}_at")[place : place + 2]
        return self._stored.get_slice(name)[slice(*at.tolist())]

    def _string(self, name, place):
        return bytes(self._slice(name, place).numpy()).decode()
