"""Training data of vocoders: mels decoded by a codec."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo import HPARAMS
from speechbrain_gogo.lobes.vocoder.coded_mel import CodedMel

SMALL = f"""
model: !include:{HPARAMS}/mini/gogo_mlp.yaml
    hidden_dim: 32
    ffn_dim: 32
    hearing: null
"""


@pytest.fixture
def codec():
    """A small codec with random weights."""
    torch.manual_seed(0)
    return load_hyperpyyaml(SMALL)["model"]["codec"].eval()


def test_evaluation_equals_the_codec(codec):
    """In evaluation equal to encode and decode_mel, cut to the audio's length."""
    wavs = 0.1 * torch.randn(2, 50 * 256)
    tokens, _ = codec.encode(wavs)
    wanted = codec.decode_mel(tokens)[:, :50]
    found = CodedMel(codec, [3, 10]).eval()(wavs)
    assert torch.allclose(found, wanted, atol=1e-4)


def test_training_mixes_codec_and_original_mels(codec):
    """Some clips are decoded with few tokens, some use the original mel."""
    wavs = 0.1 * torch.randn(64, 40 * 256)
    coded = CodedMel(codec, [2], share=0.5).train()
    torch.manual_seed(1)
    found = coded(wavs)
    tokens, _ = codec.encode(wavs)
    tokens[..., 2:] = codec.mask_id
    made, true = codec.decode_mel(tokens), codec.mel(wavs)
    like_made = (found - made).abs().amax((1, 2)) < 1e-3
    like_true = (found - true).abs().amax((1, 2)) < 1e-3
    assert (like_made ^ like_true).all()
    assert 16 < like_made.sum() < 48
    assert not coded.codec.training
    assert not any(p.requires_grad for p in coded.parameters())
