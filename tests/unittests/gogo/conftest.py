"""The small codec of hparams/mini/gogo_mlp.yaml, smaller still, and a clip."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo import HPARAMS

SMALL = f"""
model: !include:{HPARAMS}/mini/gogo_mlp.yaml
    num_components: 60
    hidden_dim: 64
    ffn_dim: 96
    backbone:
        conv_dim: 32
        conv_ffn_dim: 48
        dilations: [1, 2]
    hearing: null
"""


@pytest.fixture
def model():
    """The small codec, smaller still, with its objective."""
    torch.manual_seed(0)
    return load_hyperpyyaml(SMALL)["model"]


@pytest.fixture
def clip():
    """1.28 s of a tone that glides, with a beat: [1, T]."""
    time = torch.arange(30720) / 24000
    tone = torch.sin(2 * torch.pi * (200 * time + 150 * time**2))
    return (0.3 * tone * (0.6 + 0.4 * torch.sin(20 * time))).unsqueeze(0)
