"""The auxiliary networks against their equations, utterance by utterance."""

import pytest
import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.auxiliary import ARPrior, ASRHead, LossBalancer


def seeded(module):
    """A module whose attention matters: the usual start is nearly blind."""
    torch.manual_seed(0)
    for weight in module.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    return module


def test_balancer_is_equation_5():
    n_k = torch.arange(1, 11)
    cfm, asr = LossBalancer(10, 0.2, 1.8)(n_k)
    expected = [0.2 + (n - 1) * 1.6 / 9 for n in range(1, 11)]
    assert cfm.tolist() == pytest.approx(expected)
    assert asr.tolist() == pytest.approx(expected[::-1])


def test_prior_is_equation_17_with_its_own_gradient_amplified():
    prior = seeded(ARPrior(16, 2, 2, 32, gradient_scale=50))
    q = torch.randn(3, 5, 16, requires_grad=True)
    by_hand = 0.0
    for group in q:
        for j in range(1, 5):  # the next feature from the first j alone
            seen = prior.transformer(group[None, :j])
            guess = prior.project(seen[0, -1])
            by_hand = by_hand + ((guess - group[j]) ** 2).mean() / (3 * 4)
    loss = prior(q)
    torch.testing.assert_close(loss, by_hand)

    weights = list(prior.parameters())
    expected = torch.autograd.grad(by_hand, [q, *weights])
    found = torch.autograd.grad(loss, [q, *weights])
    # The tokens, as input and as target, get their plain gradient.
    torch.testing.assert_close(found[0], expected[0])
    for mine, plain in zip(found[1:], expected[1:]):
        torch.testing.assert_close(mine, 50 * plain, rtol=1e-3, atol=1e-5)


def test_asr_head_is_equation_18_of_each_utterance_alone():
    head = seeded(ASRHead(30, 16, 2, 2, 32))
    q = torch.randn(3, 4, 5, 16)
    text = torch.randint(3, 30, (3, 6))
    groups, letters = [4, 1, 3], [2, 6, 1]
    found = head(q, torch.tensor(groups) / 4, text, torch.tensor(letters) / 6)
    for b, (n, length) in enumerate(zip(groups, letters)):
        words = text[b, :length]
        read = torch.cat([torch.tensor([1]), words])
        said = torch.cat([words, torch.tensor([2])])
        x = torch.cat([q[b, :n].flatten(0, 1), head.embedding(read)])
        hidden = head.transformer(x[None])
        logits = head.output(hidden[0, 5 * n :])
        torch.testing.assert_close(found[b], F.cross_entropy(logits, said))
