"""FSQ and its standardized projections, RVQ and its moving codebooks."""

import datetime
import math

import pytest
import torch
import vector_quantize_pytorch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from speechbrain_gogo.lobes.gogo.quantizer import FSQ
from speechbrain_gogo.lobes.gogo.residual_vq import ResidualVQ
from speechbrain_gogo.lobes.gogo.standardized_fsq import (
    Standardize,
    StandardizedFSQ,
)

LEVELS = [8, 8, 8, 5, 5]


def test_ids_cover_all_codes():
    quantizer = FSQ(LEVELS, dim=16)
    assert quantizer.codebook_size == math.prod(LEVELS) == 12800
    q, tokens = quantizer(30 * torch.randn(200, 10, 16))
    assert tokens.min() >= 0 and tokens.max() < 12800
    torch.testing.assert_close(q, quantizer.embed(tokens))
    every = quantizer.points(torch.arange(quantizer.codebook_size))
    assert every.shape == (12800, 5) and len(every.unique(dim=0)) == 12800
    assert [len(column.unique()) for column in every.T] == LEVELS


@pytest.mark.parametrize("dim", [16, 5])  # 5: not projected
def test_fsq_equals_the_library(dim):
    """Tokens, features and gradients, also at the ends of the levels."""
    torch.manual_seed(0)
    ours, theirs = FSQ(LEVELS, dim), vector_quantize_pytorch.FSQ(LEVELS, dim)
    theirs.load_state_dict(ours.state_dict())
    x = (3 * torch.randn(500, 10, dim)).requires_grad_()
    (q, tokens), (expected, others) = ours(x), theirs(x)
    assert torch.equal(q, expected) and torch.equal(tokens, others)
    found = torch.autograd.grad(q.square().sum(), x)
    assert torch.equal(*found, *torch.autograd.grad(expected.square().sum(), x))
    every = torch.arange(ours.codebook_size)
    assert torch.equal(ours.points(every), theirs.implicit_codebook)
    assert torch.equal(ours.embed(every), theirs.indices_to_codes(every))


@pytest.mark.parametrize("levels", [[8, 1], [8] * 9])
def test_levels_without_exact_tokens_are_refused(levels):
    with pytest.raises(ValueError, match="FSQ with levels"):
        FSQ(levels, dim=16)


def test_standardized_tokens_depend_on_their_own_group_only():
    torch.manual_seed(0)
    quantizer = StandardizedFSQ(LEVELS, dim=16, num_positions=10)
    features = 3 + 2 * torch.randn(300, 10, 16)
    for _ in range(300):
        learnt = quantizer(features)[1]
    quantizer.eval()
    tokens = quantizer(features)[1]
    assert (tokens == learnt).float().mean() > 0.95  # the same statistics
    assert torch.equal(quantizer(features[7:8, :3])[1], tokens[7:8, :3])
    with torch.no_grad():  # as a frozen codec inside a model that trains
        assert torch.equal(quantizer.train()(features[:5])[1], tokens[:5])


def test_gradients_are_those_of_batch_normalization():
    """Values use running statistics, gradients those of the batch."""
    torch.manual_seed(0)
    norm = Standardize(3, 2, deviation=0.6)
    for _ in range(20):
        norm(5 + 3 * torch.randn(50, 3, 2))
    z = (4 + 2 * torch.randn(64, 3, 2)).requires_grad_()
    mean, deviation = norm.mean.clone(), (norm.variance + 1e-5).sqrt()
    out = norm(z)
    torch.testing.assert_close(out, 0.6 * (z - mean) / deviation)
    (out * torch.randn(64, 3, 2)).sum().backward()
    centred = z.detach() - z.detach().mean(0)
    assert z.grad.abs().sum(0).min() > 1
    assert z.grad.sum(0).abs().max() < 1e-4
    assert (z.grad * centred).sum(0).abs().max() < 1e-3


def test_nonfinite_batches_do_not_change_statistics():
    z = torch.randn(20, 3, 2)
    norm = Standardize(3, 2)
    norm(z)
    mean, variance = norm.mean.clone(), norm.variance.clone()
    z[4, 1] = math.nan
    norm(z)
    assert torch.equal(norm.mean[1], mean[1])
    assert torch.equal(norm.variance[1], variance[1])
    assert not torch.equal(norm.mean[0], mean[0])


def test_weight_averaging_keeps_the_levels():
    """They are buffers, which recipes average with the weights."""
    fsq = StandardizedFSQ(LEVELS, dim=16, num_positions=10)
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


def used_rvq(layers=3, codes=8, dim=4, batches=30):
    """An RVQ whose codebooks have followed some features."""
    torch.manual_seed(0)
    quantizer = ResidualVQ(dim, layers, codes)
    for _ in range(batches):
        quantizer(torch.randn(40, 1, dim))
    return quantizer


def nearest_by_hand(books, x):
    """Tokens [M, K] of features [M, D]: what is left, layer by layer."""
    tokens = []
    for book in books:
        distance = (x[:, None] - book[None]).square().sum(-1)  # [M, C]
        tokens.append(distance.argmin(1))
        x = x - book[tokens[-1]]
    return torch.stack(tokens, dim=1)


def test_rvq_quantizes_residuals_with_nearest_codes():
    quantizer = used_rvq().eval()
    books = [layer._codebook.embed[0] for layer in quantizer.layers]
    features = torch.randn(50, 1, 4)
    q, tokens = quantizer(features)
    assert torch.equal(tokens, nearest_by_hand(books, features[:, 0]))
    by_hand = [book[tokens[:, k]] for k, book in enumerate(books)]
    torch.testing.assert_close(q, torch.stack(by_hand, dim=1))
    torch.testing.assert_close(quantizer.embed(tokens[None])[0], q)
    assert torch.equal(quantizer.embed(tokens[None, :, :2]), q[None, :, :2])
    errors = (features - q.cumsum(1)).square().mean((0, 2))
    assert (errors.diff() < 0).all() and len(tokens.unique()) == 8
    assert quantizer.commitment is None  # of a training only


def test_rvq_passes_the_gradient_of_every_prefix():
    quantizer = used_rvq()
    for kept in (1, 2, 3):
        features = torch.randn(6, 1, 4, requires_grad=True)
        weight = torch.randn(6, 4)
        q, _ = quantizer(features)
        (q[:, :kept].sum(1) * weight).sum().backward()
        torch.testing.assert_close(features.grad[:, 0], weight)


def test_rvq_codebooks_are_moving_averages():
    """One layer, all of whose codes are used, and its commitment."""
    quantizer = ResidualVQ(2, 1, 3, decay=0.9, commitment_weight=0.5)
    book = quantizer.layers[0]._codebook
    codes = torch.tensor([[0.0, 0], [10, 0], [0, 10]])
    book.embed.copy_(codes[None])
    book.embed_avg.copy_(5 * codes[None])
    book.cluster_size.fill_(5)
    quantizer.updates.fill_(1)  # or k-means would start it
    noise = torch.randn(30, 2)
    owner = torch.arange(30) % 3
    features = (codes[owner] + noise)[:, None].requires_grad_()
    q, tokens = quantizer(features)
    assert torch.equal(tokens[:, 0], owner)
    torch.testing.assert_close(q[:, 0], codes[owner])  # as they were before
    commitment = 0.5 * noise.square().mean()
    torch.testing.assert_close(quantizer.commitment, commitment)
    quantizer.commitment.backward()
    torch.testing.assert_close(features.grad[:, 0], 0.5 * noise / 30)
    sums = torch.stack([features[owner == c, 0].sum(0) for c in range(3)])
    moved = (0.9 * 5 * codes + 0.1 * sums) / (0.9 * 5 + 0.1 * 10)
    torch.testing.assert_close(book.embed[0], moved, rtol=1e-4, atol=1e-4)


def test_rvq_codebooks_change_in_training_only():
    """Neither in evaluation mode nor with values that are not finite."""
    quantizer, features = used_rvq(), torch.randn(20, 1, 4)
    before = {k: v.clone() for k, v in quantizer.state_dict().items()}
    with torch.no_grad():
        quantizer(features)
    spoilt = features.clone()
    spoilt[3] = math.nan
    quantizer(spoilt)
    assert quantizer.commitment is None
    after = quantizer.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)

    again = ResidualVQ(4, 3, 8)  # resumes, and draws the same
    again.load_state_dict(before)
    for seed, one in enumerate((quantizer, again)):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        for _ in range(3):
            one(0.01 * features)  # some codes are hardly used
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(quantizer.codebooks, again.codebooks)
    assert not torch.equal(
        quantizer.codebooks[0], before["layers.0._codebook.embed"][0]
    )


def learn_on_a_rank(rank, folder):
    """What each of two processes does; one has a batch that is not finite."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        world_size=2,
        rank=rank,
        timeout=datetime.timedelta(seconds=20),  # an error, not a hang
    )
    quantizer = ResidualVQ(4, 2, 8, rare_share=0.8)
    torch.manual_seed(rank)
    for step in range(8):
        features = torch.randn(20 + 30 * rank, 1, 4)
        if step == 3 and rank == 1:
            features[5] = math.nan
        quantizer(features)
        assert (quantizer.commitment is None) == (step == 3)
    torch.save(quantizer.state_dict(), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_codebooks_are_equal_on_all_ranks(tmp_path):
    """With batches of 20 and 50, one of them not finite: no rank waits."""
    torch.multiprocessing.start_processes(
        learn_on_a_rank, (tmp_path,), nprocs=2, start_method="forkserver"
    )
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert one["updates"] == 7
    assert all(torch.equal(one[key], other[key]) for key in one)
