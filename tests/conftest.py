"""What tests share: a device, real speech where there is some, tiny models."""

import os
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

REPOSITORY = Path(__file__).resolve().parent.parent

# The classes and the structure of gogo-mini at the smallest useful size.
TINY = f"""
model: !include:{REPOSITORY}/hparams/mini/gogo.yaml
    dim: 32
    encoder:
        num_layers: 2
        ffn_dim: 64
    backbone:
        dim: 32
        num_layers: 2
vocoder: !new:speechbrain_gogo.lobes.vocoder.GriffinLimVocoder
    num_iterations: 4
"""


def pytest_addoption(parser):
    """``--device cuda`` runs the tests that know a device there."""
    parser.addoption("--device", default="cpu")


@pytest.fixture(scope="session")
def device(request):
    """Where tests run."""
    return request.config.getoption("--device")


@pytest.fixture(scope="session")
def speech_folder():
    """Real speech with SpeechBrain manifests; not part of the package."""
    folder = os.environ.get("GOGO_SPEECH", REPOSITORY.parent / "shared/speech")
    if not (Path(folder) / "train.csv").is_file():
        pytest.skip(f"no speech at {folder}: set GOGO_SPEECH to a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory):
    """A YAML with ``model: codec:`` and ``vocoder``."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(TINY)
    return path


def build_tiny(tiny_yaml):
    """The tiny YAML's objects, with seeded weights that all matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with open(tiny_yaml) as stream:
            hparams = load_hyperpyyaml(stream)
        dit = hparams["model"]["backbone"]
        for layer in [*dit.modulations, dit.project_out]:
            torch.nn.init.normal_(layer.weight, std=0.2)  # not adaLN-zero
    return hparams


@pytest.fixture
def tiny_codec(tiny_yaml):
    """A tiny Gogo in evaluation mode, new for every test."""
    return build_tiny(tiny_yaml)["model"]["codec"].eval()


@pytest.fixture(scope="session")
def tiny_codec_folder(tiny_yaml, tmp_path_factory):
    """The tiny codec as a folder for ``from_hparams``."""
    from speechbrain_gogo.inference.export import export_codec

    hparams = build_tiny(tiny_yaml)
    return export_codec(
        tmp_path_factory.mktemp("tiny_codec"),
        tiny_yaml,
        hparams["model"]["codec"],
        hparams["vocoder"],
        window_groups=48,
        overlap_groups=5,
    )
