"""The cache of features."""

from pathlib import Path

import pytest
import torch

from speechbrain_gogo.brains.socodec import SoCodecBrain
from speechbrain_gogo.dataio.features import FeatureCache
from speechbrain_gogo.inference import SoCodec


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


def test_features_are_the_same_at_first_and_later(
    tmp_path, tiny_socodec_folder
):
    """A resumed run reads what the run before has computed; IDs may be long."""
    brain = SoCodecBrain.__new__(SoCodecBrain)
    brain.codec = SoCodec.from_hparams(tiny_socodec_folder).codec
    brain.cache, brain.device = FeatureCache(tmp_path, ["hubert"]), "cpu"
    clip, key = 0.1 * torch.randn(3840), "clip" * 80
    first = brain.clip_features(key, clip)
    brain.codec = None  # not computed again
    assert torch.equal(brain.clip_features(key, clip), first)
