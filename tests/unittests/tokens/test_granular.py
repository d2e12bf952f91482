"""Nested dropout, its gradient compensation, and the token matrix."""

import pytest
import torch

from speechbrain_gogo.lobes.tokens.granular import (
    NestedDropout,
    prefix_mask,
    retention_probability,
    scale_gradient,
)


def test_retention_probability_equals_sampled_frequency():
    expected = [1 - (j - 1) / 10 for j in range(1, 11)]  # Eq. (14)
    assert retention_probability(10).tolist() == pytest.approx(expected)
    dropout = NestedDropout(10, torch.zeros(1))
    generator = torch.Generator().manual_seed(1)
    _, n_keep = dropout(torch.zeros(20000, 1, 10, 1), generator=generator)
    assert n_keep.unique().tolist() == list(range(1, 11))
    kept = prefix_mask(n_keep, 10).double().mean(0)
    assert kept.tolist() == pytest.approx(expected, abs=0.02)


def test_scale_gradient_keeps_values():
    q = torch.randn(2, 3, 4, 5, requires_grad=True)
    weight = torch.tensor([0.5, 1.0, 3.0, 0.0])
    seen = torch.randn(2, 3, 4, 5)
    scaled = scale_gradient(q, weight)
    torch.testing.assert_close(scaled, q)
    (scaled * seen).sum().backward()
    torch.testing.assert_close(q.grad, seen * weight[:, None])


def test_nested_dropout_masks_suffixes_and_scales_gradients():
    mask = torch.full((2,), 7.0, requires_grad=True)
    q = torch.randn(2, 3, 4, 2, requires_grad=True)
    dropout = NestedDropout(4, mask)
    out, n_keep = dropout(q, n_keep=torch.tensor([1, 3]))
    assert n_keep.tolist() == [1, 3]
    for utterance, keep in enumerate([1, 3]):
        torch.testing.assert_close(
            out[utterance, :, :keep], q[utterance, :, :keep]
        )
        assert (out[utterance, :, keep:] == 7).all()
    out.sum().backward()
    weight = torch.tensor([0.5 / 1, 0.5 / 0.75, 0.5 / 0.5, 0])  # Eq. (15)
    torch.testing.assert_close(q.grad[1, 0, :, 0], weight)
    assert mask.grad.tolist() == [12.0, 12.0]  # 3 groups x (3 + 1) tokens


def test_nested_dropout_keeps_everything_in_evaluation():
    q = torch.randn(2, 3, 4, 2)
    out, n_keep = NestedDropout(4, torch.zeros(2)).eval()(q)
    assert out is q and n_keep.tolist() == [4, 4]
