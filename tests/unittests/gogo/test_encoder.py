"""The Llama of vectors and the group encoder against transformers' Llama."""

import pytest
import torch
from torch.nn import functional as F
from transformers import LlamaModel

from speechbrain_gogo.lobes.gogo.encoder.group_encoder import (
    GroupEncoder,
    asymmetric_mask,
)
from speechbrain_gogo.lobes.nn.llama import Llama, causal_mask, llama_config


def seeded_encoder(**sizes):
    torch.manual_seed(0)
    encoder = GroupEncoder(10, 6, 4, 32, 3, 2, 64, **sizes).eval()
    for name, weight in encoder.named_parameters():
        if weight.dim() > 1 or "response_norm" in name:  # nothing is tiny
            torch.nn.init.normal_(weight, std=0.3)
    return encoder


def transformers_llama(blocks, *sizes, **settings):
    """transformers' Llama with the same weights."""
    llama = LlamaModel(llama_config(*sizes, **settings)).eval()
    llama.embed_tokens = torch.nn.Identity()
    llama.load_state_dict(blocks.state_dict())
    return llama


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("groups", [4, 2])
def test_llama_equals_transformers(groups, padded):
    """Hidden states and gradients, the latter with checkpointing."""
    torch.manual_seed(0)
    llama = Llama(32, 2, 4, 64, groups)
    llama.gradient_checkpointing_enable()
    settings = {"num_key_value_heads": groups}
    reference = transformers_llama(llama, 32, 2, 4, 64, **settings)
    x, given = torch.randn(3, 7, 32), ()
    if padded:
        kept = torch.arange(7) >= torch.tensor([[0], [2], [6]])
        given = causal_mask(kept), (kept.cumsum(1) - 1).clamp(min=0)
    names = dict(zip(("attention_mask", "position_ids"), given))
    expected = reference(inputs_embeds=x, **names).last_hidden_state
    found = llama(x, *given)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(x)
    for output in (found, expected):
        (output * weight).sum().backward()
    others = dict(reference.named_parameters())
    for name, one in llama.named_parameters():
        expected = others[name].grad
        torch.testing.assert_close(one.grad, expected, rtol=1e-4, atol=1e-5)


def test_asymmetric_mask():
    mask = asymmetric_mask(20, 10)
    for row in range(30):
        seen = mask[row].nonzero().flatten().tolist()
        assert seen == list(range(20 if row < 20 else row + 1))


@pytest.mark.parametrize("patch", [1, 2])
@torch.no_grad()
def test_equals_one_pass_over_frames_and_queries(patch):
    """Equal to transformers' Llama with the same weights."""
    encoder = seeded_encoder(patch_size=patch)
    reference = transformers_llama(encoder.transformer, 32, 3, 2, 64)
    groups = torch.randn(5, 6, 10)
    *blocks, widen, activate, project = encoder.stem
    frames = torch.nn.Sequential(*blocks)(groups)
    patches = [frames[:, i : i + patch].flatten(1) for i in range(0, 6, patch)]
    patches = F.linear(torch.stack(patches, 1), widen.weight, widen.bias)
    queries = encoder.queries.expand(5, -1, -1)
    both = torch.cat([project(activate(patches)), queries], dim=1)
    positions = 6 // patch
    hidden = torch.full((positions + 4, positions + 4), -torch.inf)
    hidden[asymmetric_mask(positions, 4)] = 0
    expected = reference(
        inputs_embeds=both, attention_mask=hidden.expand(5, 1, -1, -1)
    ).last_hidden_state[:, positions:]
    found = encoder(groups)
    torch.testing.assert_close(found, expected)
    # The mask matters: with the causal one, frames do not see later frames.
    causal = reference(inputs_embeds=both).last_hidden_state[:, positions:]
    assert (causal - found).abs().max() > 1e-2


def test_patches_divide_groups():
    with pytest.raises(ValueError, match="patch_size=4 does not divide"):
        seeded_encoder(patch_size=4)


@torch.no_grad()
def test_first_tokens_and_single_groups_are_equal():
    encoder = seeded_encoder()
    groups = torch.randn(5, 6, 10)
    whole = encoder(groups)
    torch.testing.assert_close(encoder(groups, 2), whole[:, :2])
    torch.testing.assert_close(encoder(groups[3:4]), whole[3:4])
