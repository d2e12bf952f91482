"""The group encoder against one plain pass with the asymmetric mask."""

import torch

from speechbrain_gogo.lobes.gogo.encoder.group_encoder import (
    GroupEncoder,
    asymmetric_mask,
)
from speechbrain_gogo.lobes.nn.llama import llama


def seeded_encoder(**sizes):
    torch.manual_seed(0)
    encoder = GroupEncoder(10, 6, 4, 32, 3, 2, 64, **sizes).eval()
    for name, weight in encoder.named_parameters():
        if weight.dim() > 1 or "response_norm" in name:  # nothing is tiny
            torch.nn.init.normal_(weight, std=0.3)
    return encoder


def test_asymmetric_mask():
    mask = asymmetric_mask(20, 10)
    for row in range(30):
        seen = mask[row].nonzero().flatten().tolist()
        assert seen == list(range(20 if row < 20 else row + 1))


@torch.no_grad()
def test_equals_one_pass_over_frames_and_queries():
    """Equal to transformers' Llama with the same weights."""
    encoder = seeded_encoder()
    reference = llama(32, 3, 2, 64).eval()
    reference.load_state_dict(encoder.transformer.state_dict())
    groups = torch.randn(5, 6, 10)
    queries = encoder.queries.expand(5, -1, -1)
    both = torch.cat([encoder.stem(groups), queries], dim=1)
    hidden = torch.full((10, 10), -torch.inf)
    hidden[asymmetric_mask(6, 4)] = 0
    expected = reference(
        inputs_embeds=both, attention_mask=hidden.expand(5, 1, -1, -1)
    ).last_hidden_state[:, 6:]
    found = encoder(groups)
    torch.testing.assert_close(found, expected)
    # The mask matters: with the causal one, frames do not see later frames.
    causal = reference(inputs_embeds=both).last_hidden_state[:, 6:]
    assert (causal - found).abs().max() > 1e-2


@torch.no_grad()
def test_first_tokens_and_single_groups_are_equal():
    encoder = seeded_encoder()
    groups = torch.randn(5, 6, 10)
    whole = encoder(groups)
    torch.testing.assert_close(encoder(groups, 2), whole[:, :2])
    torch.testing.assert_close(encoder(groups[3:4]), whole[3:4])


def test_every_weight_is_trained():
    encoder = seeded_encoder()
    (encoder(torch.randn(5, 6, 10)) * torch.randn(5, 4, 32)).sum().backward()
    idle = [
        name
        for name, weight in encoder.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]
    assert not idle
