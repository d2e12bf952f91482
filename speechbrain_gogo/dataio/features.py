"""Features of clips as files, so that a frozen network reads each clip once."""

import json
from pathlib import Path

import numpy as np
import torch

from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.replacing import replaced_when_complete


class FeatureCache:
    """Arrays by clip, in a folder that records how they were computed.

    The folder has a .npy file of ``dtype`` for each clip. ``signature`` is
    everything on which the features depend, serializable as JSON; a ValueError
    is raised if the folder holds features of another one.

    Example
    -------
    >>> from tempfile import mkdtemp
    >>> cache = FeatureCache(mkdtemp(), ["hubert", 24])
    >>> _ = cache.put("clip", torch.ones(2, 3))
    >>> cache.get("clip").shape, cache.get("another")
    (torch.Size([2, 3]), None)
    """

    def __init__(self, folder, signature, dtype="float16"):
        self.dtype = np.dtype(dtype)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        facts, wanted = self.folder / "features.json", json.dumps(signature)
        if not facts.is_file():  # other ranks may read it at the same time
            with replaced_when_complete(facts) as partial:
                partial.write_text(wanted)
        if facts.read_text() != wanted:
            raise ValueError(
                f"{folder} holds features of {facts.read_text()}, not of "
                f"{wanted}: choose another folder or empty this one."
            )

    def get(self, key):
        """An array as a tensor, or None if there is none yet."""
        path = self._path(key)
        if not path.is_file():
            return None
        return torch.from_numpy(np.load(path))

    def put(self, key, features):
        """Write a tensor; returns it as :meth:`get` will, in the file's precision."""
        array = features.cpu().numpy().astype(self.dtype)
        with replaced_when_complete(self._path(key)) as partial:
            np.save(partial, array)
        return torch.from_numpy(array)

    def _path(self, key):
        return self.folder / f"{file_name(key)}.npy"
