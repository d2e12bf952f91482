"""Options that save memory give the same training."""

import copy

import pytest
import torch
from transformers import LlamaForCausalLM

from speechbrain_gogo.brains.training.optimizers import (
    MasterAdamW,
    make_optimizer,
)
from speechbrain_gogo.brains.training.sharding import (
    ShardedModule,
    ShardedOptimizer,
)
from speechbrain_gogo.inference.loading.export_speech import export_speech_stage
from speechbrain_gogo.inference.loading.speech import load_stage
from speechbrain_gogo.lobes.nn.llama import Llama
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama
from speechbrain_gogo.lobes.speech.decoding.llama_weights import LlamaWeights
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.memory import save_memory
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

CODES = 80


def stage(**settings):
    torch.manual_seed(0)
    llama = save_memory(speech_llama(CODES + 2, 32, 2, 2, 64), **settings)
    return DetailLM(llama, codebook_size=CODES, full_share=1.0).train()


def batch():
    draw = torch.Generator().manual_seed(1)
    return torch.randint(CODES, (3, 4, 10), generator=draw), torch.ones(3)


def learn(lm, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = lm(*batch())["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_checkpointed_gradients_equal_plain_ones():
    kept, twice = stage(), stage(gradient_checkpointing=True)
    passes = []
    layer = twice.llama.model.layers[0]
    layer.mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    for lm in (kept, twice):
        lm(*batch())["loss"].backward()
    for one, other in zip(kept.parameters(), twice.parameters()):
        torch.testing.assert_close(one.grad, other.grad)
    assert len(passes) == 2


def test_master_weights_equal_adamw_in_float32():
    """The same gradients, in half precision, over many steps."""
    torch.manual_seed(0)
    start = torch.randn(50, 4)
    half = torch.nn.Parameter(start.bfloat16())
    full = torch.nn.Parameter(half.detach().float())
    settings = {"lr": 1e-3, "betas": (0.9, 0.95), "weight_decay": 0.1}
    ours, theirs = (
        MasterAdamW([half], **settings),
        torch.optim.AdamW([full], **settings),
    )
    for number in range(30):
        half.grad = torch.randn(50, 4).bfloat16()
        full.grad = half.grad.float()
        if number == 15:  # a checkpoint in between changes nothing
            saved = copy.deepcopy(ours.state_dict())
            ours = MasterAdamW([half], **settings)
            ours.load_state_dict(saved)
        ours.step()
        theirs.step()
    master = ours.state[half]["master"]
    torch.testing.assert_close(master, full.detach(), rtol=1e-5, atol=1e-6)
    assert torch.equal(half.detach(), master.bfloat16())


def test_small_updates_are_lost_without_master_weights():
    rates = {"lr": 1e-5, "weight_decay": 0.0}
    lost, kept = stage(weights="bfloat16"), stage(weights="bfloat16")
    before = lost.llama.model.layers[0].mlp.up_proj.weight.detach().clone()
    learn(lost, torch.optim.AdamW(lost.parameters(), **rates), 40)
    learn(kept, MasterAdamW(kept.parameters(), **rates), 40)
    changed = [
        (lm.llama.model.layers[0].mlp.up_proj.weight != before).float().mean()
        for lm in (lost, kept)
    ]
    assert changed[1] > 2 * changed[0] and changed[1] > 0.5


@pytest.mark.parametrize("optimizer", ["master", "8bit"])
def test_bf16_training_equals_float32(optimizer):
    full = stage()
    expected = learn(full, torch.optim.AdamW(full.parameters(), lr=3e-3), 40)
    half = stage(weights="bfloat16", gradient_checkpointing=True)
    if optimizer == "8bit":
        pytest.importorskip("bitsandbytes")
    made = make_optimizer(half.parameters(), optimizer, lr=3e-3)
    losses = learn(half, made, 40)
    assert expected[-1] < 0.7 * expected[0]
    # Without masters the last updates are rounded.
    far = 0.1 if optimizer == "master" else 0.6
    assert losses[-1] == pytest.approx(expected[-1], rel=far)


def test_lora_trains_few_parameters_and_exports_a_plain_llama(tmp_path):
    pytest.importorskip("peft")
    lm = stage(lora={"r": 4, "lora_alpha": 8}, gradient_checkpointing=True)
    learning = {n for n, w in lm.named_parameters() if w.requires_grad}
    rest = {n for n in learning if "lora_" not in n}
    assert rest == {"llama.model.embed_tokens.weight"}
    assert len(learning) == 1 + 2 * 2 * 7  # A and B of each matrix
    losses = learn(lm, torch.optim.AdamW(lm.parameters(), lr=1e-2), 40)
    assert losses[-1] < 0.8 * losses[0]
    folder = export_speech_stage(tmp_path, lm, dtype=torch.float32)
    plain = LlamaForCausalLM.from_pretrained(folder)
    assert not [n for n, _ in plain.named_parameters() if "lora" in n]
    loaded = DetailLM(plain, codebook_size=CODES, full_share=1.0).eval()
    with torch.no_grad():
        expected = lm.eval()(*batch())["loss"]
        torch.testing.assert_close(loaded(*batch())["loss"], expected)
    assert any("lora" in n for n, _ in lm.named_parameters())  # a copy left


def test_lora_of_a_stage_with_large_passes(tmp_path):
    """The Llama's matrices are frozen, the rest is trained; the export has no LoRA."""
    pytest.importorskip("peft")
    torch.manual_seed(0)
    sizes = {"dim": 16, "num_heads": 2, "aligner_dim": 16, "dropout": 0.0}
    lm = AlignedBackboneLM(30, [4, 3, 5], backbone_size=10, **sizes).train()
    save_memory(lm.llama, lora={"r": 4, "lora_alpha": 8})
    frozen = {n for n, w in lm.named_parameters() if not w.requires_grad}
    assert frozen and all(name.startswith("llama.") for name in frozen)
    text, tokens = torch.randint(30, (2, 6)), torch.randint(60, (2, 5, 10))
    data = text, torch.ones(2), tokens, torch.ones(2)
    optimizer = torch.optim.AdamW(lm.parameters(), lr=1e-2)
    for _ in range(5):
        lm(*data)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    codec = Codec()
    export_speech_stage(tmp_path, lm, fingerprint=codec.fingerprint)
    loaded = load_stage(tmp_path, codec)
    with torch.no_grad():
        expected = lm.eval()(*data)["loss"]
        found = loaded(*data)["loss"]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


class Codec:
    """What a stage has to fit."""

    fingerprint, name = "f00d", "codec"
    vocab_size, backbone_size, num_codebooks = 60, 3, 10


def test_generation_uses_lora():
    """Samples during a training use the trained low-rank updates."""
    pytest.importorskip("peft")
    torch.manual_seed(0)
    model = save_memory(Llama(16, 2, 2, 32), lora={"r": 2}).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    x = torch.randn(1, 6, 16)
    with torch.no_grad():
        found = CachedLlama(LlamaWeights.of(model), 1, 6).step(x)
        expected = model(x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_other_weights_and_optimizers_are_refused():
    with pytest.raises(ValueError, match="adamw=sgd: use torch, master"):
        make_optimizer([], "sgd")
    with pytest.raises(ValueError, match="weights='float8'"):
        stage(weights="float8")


@pytest.mark.parametrize("kinds", [("torch", "master"), ("master", "torch")])
def test_states_of_another_kind_are_refused(kinds):
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    saved, other = (make_optimizer([weight], kind, lr=0.1) for kind in kinds)
    other.load_state_dict(saved.state_dict())  # before the first update
    saved.step()
    with pytest.raises(ValueError, match=f"not adamw={kinds[1]}: continue"):
        other.load_state_dict(saved.state_dict())


def test_unsupported_sharding_is_refused():
    with pytest.raises(ValueError, match="precision 'fp16'.* bf16 or fp32"):
        ShardedModule(torch.nn.Linear(2, 2), precision="fp16")
    pytest.importorskip("bitsandbytes")
    optimizer = make_optimizer(stage().parameters(), "8bit")
    with pytest.raises(ValueError, match="adamw master or torch"):
        ShardedOptimizer(optimizer)
