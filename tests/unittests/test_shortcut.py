"""The path around the transformers, against principal components."""

import copy

import numpy as np
import pytest
import torch

from speechbrain_gogo.lobes.gogo.auxiliary import LossBalancer
from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.encoder import GroupEncoder
from speechbrain_gogo.lobes.gogo.flow import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.objective import GogoObjective
from speechbrain_gogo.lobes.gogo.quantizer import FSQ
from speechbrain_gogo.lobes.gogo.shortcut import Shortcut, fit_shortcuts
from speechbrain_gogo.lobes.gogo.shortcut_objective import ShortcutObjective
from speechbrain_gogo.lobes.tokens.granular import NestedDropout

LEVELS = [31, 31, 31]  # fine enough for rounding not to matter


@pytest.fixture(params=[0, 64], ids=["linear", "bent"])
def codec(request):
    torch.manual_seed(0)
    encoder = GroupEncoder(20, 4, 3, 32, 1, 2, 32, stem_layers=1)
    dit = DiT(20, 32, 32, 1, 2, condition_skip=True)
    quantizer = FSQ(LEVELS, 32, standardized_positions=3)
    return Gogo(
        VocosMel(n_mels=20),
        encoder,
        quantizer,
        ConditionalFlowMatching(dit, predict="data"),
        shortcut=True,
        shortcut_hidden=request.param,
        shortcut_components=12,
    ).eval()


@pytest.fixture
def groups():
    """Groups [3000, 4, 20] that 9 hidden numbers of falling weight explain."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.rand(3000, 9, generator=generator) - 0.5
    hidden = 3 * hidden * 2.0 ** -torch.arange(9)
    mixing = torch.randn(9, 80, generator=generator)
    return (hidden @ mixing + 0.3).unflatten(1, (4, 20))


@pytest.mark.parametrize("ranks", [(2, 2), (5, 2), (2, 5)])
def test_rank_and_scale(ranks):
    """The hidden layers see what is centred, and add to it."""
    torch.manual_seed(0)
    path = Shortcut((4, 5), (3, 2), ranks, hidden=7)
    down, up = torch.randn(ranks[0], 20), torch.randn(6, ranks[1])
    bias, centre = torch.randn(6), torch.randn(ranks[0])
    mlp = copy.deepcopy(path.mlp)
    path.become(down, up, bias, centre)
    x = torch.randn(8, 4, 5)
    h = x.flatten(1) @ down.T - centre
    both = min(ranks)
    r = mlp(h)
    r[:, :both] += h[:, :both]
    torch.testing.assert_close(path(x).flatten(1), r @ up.T + bias)


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
    count = len(codec.shortcut_in.down)
    with pytest.raises(ValueError, match=f"than {count} groups .* not {count}"):
        fit_shortcuts(codec, groups[:count])  # one is the mean


bent_only = pytest.mark.parametrize("codec", [64], indirect=True)


@bent_only
def test_objective_is_what_is_decoded(codec, groups):
    """Of a codec whose transformers are silent, by the weights of Eq. 5."""
    fit_shortcuts(codec, groups)
    with torch.no_grad():
        codec.encoder.transformer.norm.weight.zero_()
        codec.flow.backbone.project_out.weight.zero_()
        codec.flow.backbone.project_out.bias.zero_()
    balancer = LossBalancer(3)
    objective = GogoObjective(codec, NestedDropout, balancer)
    path = ShortcutObjective(objective)
    with torch.no_grad():
        loss = float(path.eval()(path.project(groups)))
    assert loss == pytest.approx(1.8 * error(codec, groups, 3), rel=1e-4)
    # In training each group has its own keep: the mean over them.
    each = [
        float(balancer(torch.tensor([k]))[0]) * error(codec, groups, k)
        for k in (1, 2, 3)
    ]
    path.train()
    codec.quantizer.eval()
    with torch.no_grad():
        many = path.project(groups.repeat(10, 1, 1))
        loss = float(path(many, torch.Generator().manual_seed(0)))
    assert loss == pytest.approx(sum(each) / 3, rel=0.05)


@bent_only
def test_gradients_are_those_of_the_whole_path(codec, groups):
    """What is composed, from groups in half precision, under nested dropout."""
    fit_shortcuts(codec, groups)
    objective = GogoObjective(codec, NestedDropout, LossBalancer(3))
    path = ShortcutObjective(objective).train()
    codec.quantizer.eval()  # or the first of the two would move its statistics
    groups = groups.half()
    hidden = [p for p in path.parameters() if p.requires_grad]

    path(path.project(groups), draws()).backward()
    composed = [p.grad.clone() for p in hidden]
    path.zero_grad()
    x = groups.float()
    q, _ = codec.quantizer(codec.shortcut_in(x))  # [M, K, D]
    q, keep = objective.nested_dropout(q[:, None], generator=draws())
    drawn = codec.flow.backbone.skip(codec.align(q))
    loss = (drawn - x).square().mean((1, 2)) * objective.balancer(keep)[0]
    loss.mean().backward()
    assert len(hidden) == 12
    for ours, theirs in zip(composed, hidden):
        off = (ours - theirs.grad).norm() / theirs.grad.norm()
        assert off < 0.03  # of 3,000 groups some are rounded to another code


@bent_only
def test_weights_of_a_checkpoint(codec, groups):
    """They bring their own maps, whatever groups this run was fitted to."""
    other = copy.deepcopy(codec)
    fit_shortcuts(codec, groups)
    fit_shortcuts(other, groups.roll(1, 2) + 0.5)
    path, resumed = (
        ShortcutObjective(GogoObjective(c, NestedDropout, None)).eval()
        for c in (codec, other)
    )
    resumed.load_state_dict(path.state_dict())
    resumed.compose()
    with torch.no_grad():
        loss = path(path.project(groups))
        torch.testing.assert_close(resumed(resumed.project(groups)), loss)


@pytest.mark.parametrize("codec", [0], indirect=True)
def test_no_hidden_layers(codec):
    with pytest.raises(ValueError, match="shortcut_hidden"):
        ShortcutObjective(GogoObjective(codec, None, None))


@bent_only
def test_hidden_layers_learn_what_components_cannot(codec, groups):
    """Groups on a curved sheet. Nothing else moves, and all may again."""
    bent = torch.sin(2 * groups)
    fit_shortcuts(codec, bent)
    before = error(codec, bent, 3)
    objective = GogoObjective(codec, None, None)
    idle = {n for n, p in codec.named_parameters() if not p.requires_grad}
    path = ShortcutObjective(objective).train()
    projected = path.project(bent)
    start = {n: p.clone() for n, p in codec.named_parameters()}
    optimizer = torch.optim.AdamW(path.parameters(), lr=0.003)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        drawn = torch.randint(len(bent), (256,), generator=generator)
        optimizer.zero_grad()
        path(projected[drawn]).backward()
        optimizer.step()
    assert error(codec.eval(), bent, 3) < 0.85 * before
    for name, weight in codec.named_parameters():
        hidden = name.startswith(("shortcut_in.mlp", "shortcut_out.mlp"))
        assert torch.equal(weight, start[name]) == (not hidden), name
    path.release()
    now = {n for n, p in codec.named_parameters() if not p.requires_grad}
    assert now == idle == {"mask"}


@pytest.mark.parametrize("different", [1, 4])
def test_groups_with_fewer_components(codec, groups, different):
    """Silence, or a few clips over and over: nothing is amplified."""
    repeated = groups[:different].repeat(100 // different, 1, 1)
    fit_shortcuts(codec, repeated)
    assert error(codec, repeated, 3) < 0.1 * float(repeated.square().mean())
    assert all(p.abs().max() < 2**15 for p in codec.parameters())  # as halves


@pytest.mark.parametrize("lacks", ["a shortcut", "condition_skip"])
def test_a_codec_without_the_path(codec, groups, lacks):
    if lacks == "a shortcut":
        codec.shortcut_in = None
    else:
        codec.flow.backbone.skip = None
    with pytest.raises(ValueError, match=lacks):
        fit_shortcuts(codec, groups)


def draws():
    return torch.Generator().manual_seed(0)


@torch.no_grad()
def error(codec, groups, keep):
    """Squared error of the mel that is decoded in one step from nothing."""
    real = torch.ones(1, len(groups), dtype=torch.bool)
    q, _ = codec.quantize(groups.unsqueeze(0), real)
    q[:, keep:] = codec.mask
    condition = codec.align(q[:, None])
    drawn = codec.flow.sample(
        condition, None, torch.zeros_like(groups), 1, guidance_scale=0.0
    )
    return float((drawn - groups).square().mean())
