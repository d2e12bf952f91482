"""Cached decoding against the plain modules, fused and in 8 bits."""

import gc
import weakref

import pytest
import torch
from torch.nn import functional as F
from transformers import GPT2Config, GPT2Model

from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.speech.cached_decoding import CachedDecoder
from speechbrain_gogo.lobes.speech.decoding.cached_gpt2 import CachedGPT2
from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama
from speechbrain_gogo.lobes.speech.decoding.llama_weights import (
    LlamaWeights,
    TokenWeights,
)
from speechbrain_gogo.lobes.speech.decoding.weights import Dense, fuse
from speechbrain_gogo.lobes.speech.llama import extended_llama, speech_llama

PIECES = 7, 1, 3, 1, 1


@pytest.fixture
def llama():
    torch.manual_seed(0)
    return speech_llama(60, 32, 2, 4, 64, num_key_value_heads=2).eval()


@pytest.mark.parametrize("static", [False, True])
@torch.no_grad()
def test_llama_equals_transformers(llama, static):
    """Left-padded, and in pieces; with shapes that stay the same or not."""
    x, padding = torch.randn(3, sum(PIECES), 32), torch.tensor([0, 2, 5])
    cached = CachedLlama(LlamaWeights.of(llama.model), 3, 20, static)
    for _ in range(2):  # the second time after a reset
        cached.reset()
        pieces = x.split(PIECES, dim=1)
        found = [cached.step(pieces[0], padding=padding)]
        found = torch.cat(found + [cached.step(p) for p in pieces[1:]], dim=1)
        for row, skipped in enumerate(padding):
            alone = x[row : row + 1, skipped:]
            expected = llama.model(inputs_embeds=alone).last_hidden_state
            torch.testing.assert_close(
                found[row, skipped:], expected[0], rtol=0, atol=1e-5
            )


@torch.no_grad()
def test_scaled_rotary_positions_equal_transformers(tmp_path):
    """As Llama 3 scales them."""
    llama = speech_llama(60, 32, 1, 2, 64).eval()
    llama.config.rope_parameters = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    llama.config.save_pretrained(tmp_path)
    scaled = extended_llama(str(tmp_path), 0, pretrained=False).eval()
    scaled.load_state_dict(llama.state_dict())
    x = torch.randn(1, 40, 32)
    found = CachedLlama(LlamaWeights.of(scaled.model), 1, 40).step(x)
    expected = scaled.model(inputs_embeds=x).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    plain = llama.model(inputs_embeds=x).last_hidden_state
    assert (found - plain).abs().max() > 1e-3


@torch.no_grad()
def test_gpt2_equals_transformers():
    torch.manual_seed(0)
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=30)
    model = GPT2Model(config).eval()
    model.wpe.weight.zero_()
    x, padding = torch.randn(2, sum(PIECES), 32), torch.tensor([0, 3])
    cached = CachedGPT2(model, 2, 20)
    pieces = x.split(PIECES, dim=1)
    found = [cached.step(pieces[0], padding=padding)]
    found = torch.cat(found + [cached.step(p) for p in pieces[1:]], dim=1)
    for row, skipped in enumerate(padding):
        expected = model(inputs_embeds=x[row : row + 1, skipped:])
        torch.testing.assert_close(
            found[row, skipped:],
            expected.last_hidden_state[0],
            rtol=0,
            atol=1e-5,
        )


def test_fused_weights_share_memory_with_layers(llama):
    attention = llama.model.layers[0].self_attn
    parts = attention.q_proj, attention.k_proj, attention.v_proj
    before = [part.weight.detach().clone() for part in parts]
    fused = fuse(parts)
    assert torch.equal(fused, torch.cat(before))
    assert fuse(parts).data_ptr() == fused.data_ptr()
    with torch.no_grad():  # as an optimizer does
        parts[1].weight += 1
    assert torch.equal(fused[32:48], before[1] + 1)


@torch.no_grad()
def test_int8_keeps_the_loss():
    """Within .02 nats, on text that the model finds likely."""
    torch.manual_seed(0)
    llama = speech_llama(200, 64, 2, 4, 128).eval()
    ids = torch.randint(200, (4, 1))
    exact, quick = (
        CachedDecoder(TokenWeights.of(llama, slice(0, 200), linear), 4, 40)
        for linear in (Dense, Int8)
    )
    losses, generator = [], torch.Generator().manual_seed(1)
    for _ in range(40):
        logits = exact.step(ids), quick.step(ids)
        ids = logits[0].softmax(1).multinomial(1, generator=generator)
        losses.append([F.cross_entropy(x, ids[:, 0]) for x in logits])
    exact, quick = torch.tensor(losses).mean(0)
    assert exact < 5.0 and 0 < abs(quick - exact) < 0.02


def test_decoder_frees_its_cache_at_once(llama):
    """Not when garbage is next collected: on a GPU that may be too late."""
    weights = TokenWeights.of(llama, slice(0, 4))
    decoder = CachedDecoder(weights, batch=1, max_length=8)
    cache = weakref.ref(decoder.blocks.cache[0][0])
    gc.disable()
    try:
        del decoder
        assert cache() is None
    finally:
        gc.enable()


def test_biases_are_refused():
    llama = speech_llama(20, 16, 1, 2, 32)
    llama.config.attention_bias = True
    with pytest.raises(ValueError, match="biases"):
        LlamaWeights.of(llama.model)
