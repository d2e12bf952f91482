"""FSQ: levels, straight-through gradients, and standardized projections."""

import math

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_gogo.lobes.quantizer import FSQ, Standardize

LEVELS = [8, 8, 8, 5, 5]


def test_ids_stand_for_all_levels_and_nothing_else():
    quantizer = FSQ(LEVELS, dim=16)
    assert quantizer.codebook_size == math.prod(LEVELS) == 12800
    q, tokens = quantizer(30 * torch.randn(200, 10, 16))
    assert tokens.min() >= 0 and tokens.max() < 12800
    torch.testing.assert_close(q, quantizer.indices_to_codes(tokens))
    every = quantizer.implicit_codebook
    assert every.shape == (12800, 5) and len(every.unique(dim=0)) == 12800
    assert [len(column.unique()) for column in every.T] == LEVELS


def test_gradient_passes_the_rounding():
    features = torch.randn(4, 10, 16, requires_grad=True)
    FSQ(LEVELS, dim=16)(features)[0].sum().backward()
    assert features.grad.abs().sum(-1).min() > 0


def test_standardized_tokens_depend_on_their_own_group_only():
    torch.manual_seed(0)
    quantizer = FSQ(LEVELS, dim=16, standardized_positions=10)
    features = 3 + 2 * torch.randn(300, 10, 16)
    for _ in range(300):
        learnt = quantizer(features)[1]
    quantizer.eval()
    tokens = quantizer(features)[1]
    assert (tokens == learnt).float().mean() > 0.95  # the same statistics
    assert torch.equal(quantizer(features[7:8, :3])[1], tokens[7:8, :3])
    with torch.no_grad():  # as a frozen codec inside a model that trains
        assert torch.equal(quantizer.train()(features[:5])[1], tokens[:5])


def test_a_spoilt_batch_leaves_the_statistics_alone():
    z = torch.randn(20, 3, 2)
    norm = Standardize(3, 2)
    norm(z)
    mean, variance = norm.mean.clone(), norm.variance.clone()
    z[4, 1] = math.nan
    norm(z)
    assert torch.equal(norm.mean[1], mean[1])
    assert torch.equal(norm.variance[1], variance[1])
    assert not torch.equal(norm.mean[0], mean[0])


def test_averaging_weights_leaves_the_levels_alone():
    """They are buffers: the recipes average those of Standardize along."""
    fsq = FSQ(LEVELS, dim=16, standardized_positions=10)
    before = {
        k: v.clone() for k, v in fsq.named_buffers() if "project" not in k
    }
    assert before
    average = get_ema_multi_avg_fn(0.995)
    ema = AveragedModel(fsq, multi_avg_fn=average, use_buffers=True)
    for _ in range(300):
        fsq(torch.randn(32, 10, 16))
        ema.update_parameters(fsq)
    after = dict(ema.module.named_buffers())
    for name, value in before.items():
        assert torch.equal(after[name], value), name
    moved = ema.module.project_in[1].mean
    assert not torch.equal(moved, torch.zeros_like(moved))
