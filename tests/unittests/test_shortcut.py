"""The linear path around the transformers, against principal components."""

import numpy as np
import pytest
import torch

from speechbrain_gogo.lobes.dit import DiT
from speechbrain_gogo.lobes.encoder import GroupEncoder
from speechbrain_gogo.lobes.flow import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo import Gogo
from speechbrain_gogo.lobes.mel import VocosMel
from speechbrain_gogo.lobes.quantizer import FSQ
from speechbrain_gogo.lobes.shortcut import LinearShortcut, fit_shortcuts

LEVELS = [31, 31, 31]  # fine enough for rounding not to matter


@pytest.fixture
def codec():
    torch.manual_seed(0)
    encoder = GroupEncoder(20, 4, 3, 32, 1, 2, 32, stem_layers=1)
    dit = DiT(20, 32, 32, 1, 2, condition_skip=True)
    quantizer = FSQ(LEVELS, 32, standardized_positions=3)
    return Gogo(
        VocosMel(n_mels=20),
        encoder,
        quantizer,
        ConditionalFlowMatching(dit, predict="data"),
        linear_shortcut=True,
    ).eval()


@pytest.fixture
def groups():
    """Groups [3000, 4, 20] that 9 hidden numbers of falling weight explain."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.rand(3000, 9, generator=generator) - 0.5
    hidden = 3 * hidden * 2.0 ** -torch.arange(9)
    mixing = torch.randn(9, 80, generator=generator)
    return (hidden @ mixing + 0.3).unflatten(1, (4, 20))


def test_rank_and_scale():
    torch.manual_seed(0)
    path = LinearShortcut((4, 5), (3, 2), rank=2)
    down, up = torch.randn(2, 20), torch.randn(6, 2)
    bias = torch.randn(6)
    path.become(down, up, bias)
    x = torch.randn(7, 4, 5)
    expected = x.flatten(1) @ (up @ down).T + bias
    torch.testing.assert_close(path(x).flatten(1), expected)


def test_an_untrained_codec_is_its_principal_components(codec, groups):
    """From coarse to fine, as numpy's singular values say."""
    before = error(codec, groups, 3)
    fit_shortcuts(codec, groups)
    x = groups.flatten(1).numpy()
    x = x - x.mean(0)
    energy = np.linalg.svd(x, compute_uv=False) ** 2 / x.size
    for keep in (1, 2, 3):
        left = energy[3 * keep :].sum()  # what so many components leave
        assert error(codec, groups, keep) < left + 0.1 * energy.sum()
    assert error(codec, groups, 1) > error(codec, groups, 2)
    assert before > 3 * error(codec, groups, 3)


def test_too_few_groups(codec, groups):
    with pytest.raises(ValueError, match="more than 9 groups .* not 9"):
        fit_shortcuts(codec, groups[:9])  # one is the mean


@pytest.mark.parametrize("different", [1, 4])
def test_groups_with_fewer_components(codec, groups, different):
    """Silence, or a few clips over and over: nothing is amplified."""
    repeated = groups[:different].repeat(50 // different, 1, 1)
    fit_shortcuts(codec, repeated)
    assert error(codec, repeated, 3) < 0.1 * float(repeated.square().mean())
    assert all(p.abs().max() < 2**15 for p in codec.parameters())  # as halves


@pytest.mark.parametrize("lacks", ["linear_shortcut", "condition_skip"])
def test_a_codec_without_the_path(codec, groups, lacks):
    if lacks == "linear_shortcut":
        codec.shortcut_in = None
    else:
        codec.flow.backbone.skip = None
    with pytest.raises(ValueError, match=lacks):
        fit_shortcuts(codec, groups)


@torch.no_grad()
def error(codec, groups, keep):
    """Squared error of the mel that is decoded in one step from nothing."""
    q, _ = codec.quantize(groups)
    q[:, keep:] = codec.mask
    condition = codec.align(q[:, None])
    drawn = codec.flow.sample(
        condition, None, torch.zeros_like(groups), 1, guidance_scale=0.0
    )
    return float((drawn - groups).square().mean())
