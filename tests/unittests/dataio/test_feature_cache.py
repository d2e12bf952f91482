"""The cache of features."""

from pathlib import Path

import pytest
import torch

from speechbrain_gogo.dataio.features import FeatureCache


def test_full_disk_leaves_a_cache_that_can_be_used(tmp_path, monkeypatch):
    """A rank must not read what another one has not written yet, either."""

    def write_text(path, _):
        path.touch()
        raise OSError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", write_text)
        with pytest.raises(OSError, match="No space"):
            FeatureCache(tmp_path, ["hubert"])
    cache = FeatureCache(tmp_path, ["hubert"])
    cache.put("a/b", torch.ones(2))
    assert cache.get("a/b").tolist() == [1, 1]
    with pytest.raises(ValueError, match="holds features of"):
        FeatureCache(tmp_path, ["whisper"])
