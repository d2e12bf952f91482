"""The codec recipe's main function, and the order of its clips."""

import runpy

import pytest
import speechbrain as sb
from codec_recipe import SCRIPT

from speechbrain_gogo.brains.codec import CodecBrain


@pytest.fixture(scope="module")
def main():
    """The recipe's main function."""
    return runpy.run_path(str(SCRIPT))["main"]


@pytest.fixture(scope="module")
def order():
    """Which clips each update saw, as {update: ids}."""
    seen, forward = {}, CodecBrain.compute_forward

    def note(self, batch, stage):
        if stage == sb.Stage.TRAIN:
            seen[self.optimizer_step] = tuple(batch.id)
        return forward(self, batch, stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodecBrain, "compute_forward", note)
        yield seen
