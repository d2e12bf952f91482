"""The tiny codec."""

import pytest

from speechbrain_gogo.inference import GogoCodec


@pytest.fixture(scope="module")
def codec(tiny_codec_folder):
    return GogoCodec.from_hparams(tiny_codec_folder)
