"""The defaults that bundle.py chooses for a model."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import nn

SCRIPT = (
    Path(__file__).resolve().parents[4] / "recipes/LibriTTS/codec/bundle.py"
)


def codec_of(flow):
    """What choose() needs of a codec."""
    return SimpleNamespace(
        sample_rate=24000,
        device="cpu",
        mods={},
        codec=SimpleNamespace(flow=flow),
    )


def test_sampler_is_unchanged_by_default():
    """Only vocoders are compared, with the model's own sampler."""
    choose = runpy.run_path(str(SCRIPT))["choose"]
    flow = SimpleNamespace(num_steps=32, guidance_scale=2.0)
    choose.__globals__["score"] = lambda *_: {"stoi": 0.7, "pesq": 1.0}
    lines = (SCRIPT.parent / "hparams" / "bundle.yaml").read_text()
    assert "\nsamplers: {}\n" in lines
    hparams = {"vocoders": {"one": nn.Identity()}, "samplers": {}}
    sampler, name, scores = choose(hparams, codec_of(flow), [])
    assert (sampler, name, list(scores)) == ({}, "one", ["vocoders"])
    assert (flow.num_steps, flow.guidance_scale) == (32, 2.0)


@pytest.mark.parametrize(("tolerance", "steps"), [(0.0, 16), (0.004, 4)])
def test_cheapest_sampler_within_tolerance(tolerance, steps):
    """More steps or guidance are chosen if scores improve by the tolerance."""
    found = {
        (1, 0.0): 0.770,
        (4, 0.0): 0.788,
        (16, 0.0): 0.790,
        (1, 1.0): 0.780,
        (4, 1.0): 0.789,  # as many passes as eight steps
        (16, 1.0): 0.700,
    }
    choose = runpy.run_path(str(SCRIPT))["choose"]
    flow = SimpleNamespace(num_steps=16, guidance_scale=0.0)

    def score(codec, clips, judges):
        stoi = found[flow.num_steps, flow.guidance_scale]
        return {"stoi": stoi, "pesq": 1.0}

    choose.__globals__["score"] = score
    hparams = {
        "tolerance": tolerance,
        "vocoders": {"one": nn.Identity()},
        "samplers": {"num_steps": [1, 4, 16], "guidance_scale": [0.0, 1.0]},
    }
    sampler, name, scores = choose(hparams, codec_of(flow), [])
    assert sampler == {"num_steps": steps, "guidance_scale": 0.0}
    assert name == "one" and len(scores["samplers"]) == 6
