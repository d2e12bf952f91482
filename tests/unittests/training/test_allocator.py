"""The allocator: Eq. 8 to 13, budgets, and the objectives of Table 9."""

import math
from types import SimpleNamespace

import pytest
import speechbrain as sb
import torch

from speechbrain_gogo.brains.allocator import AllocatorBrain, PolicyStats
from speechbrain_gogo.brains.training.replay_buffer import ReplayBuffer
from speechbrain_gogo.lobes.allocator.ablations import (
    divergence_from_start,
    dpo,
    enumerated_grpo,
    sampled_grpo,
)
from speechbrain_gogo.lobes.allocator.policy import (
    TokenAllocator,
    group_relative_advantage,
    grpo_loss,
)
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder


@pytest.fixture
def allocator():
    torch.manual_seed(0)
    return TokenAllocator(16, 3, 10, 32, 2, 2, 64)


def test_advantage_is_equation_12():
    rewards = [1.0, -2.0, 0.5, 4.0]
    mean = sum(rewards) / 4
    deviation = math.sqrt(sum((r - mean) ** 2 for r in rewards) / 3)
    expected = torch.tensor([(r - mean) / deviation for r in rewards])
    found = group_relative_advantage(torch.tensor([rewards, [7.0] * 4]))
    torch.testing.assert_close(found[0], expected)
    assert found[1].tolist() == [0.0] * 4
    for constant in (0.1, -3.3, 1e6):
        same = torch.full((8,), constant)
        assert not group_relative_advantage(same).any()


def test_loss_is_minus_equation_13():
    torch.manual_seed(0)
    logits, advantages = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    total = 0.0
    for row, gain in zip(logits.flatten(0, 1), advantages.flatten(0, 1)):
        weights = [math.exp(x) for x in row]
        shares = [w / sum(weights) for w in weights]
        total += sum(p * a for p, a in zip(shares, gain.tolist())) / 8
    expected = -total / 6
    assert float(grpo_loss(logits, advantages)) == pytest.approx(expected)


def test_replayed_groups_are_not_counted_as_fresh(allocator):
    """The log has those of the batch; without audio, those of the buffer."""
    buffer = ReplayBuffer(8)
    buffer.add(torch.randn(5, 3, 16), torch.randn(5, 8))
    reward = SimpleNamespace(weigh=torch.neg)
    brain = AllocatorBrain.__new__(AllocatorBrain)
    brain.device, brain.modules = "cpu", SimpleNamespace(allocator=allocator)
    brain.hparams = SimpleNamespace(
        reward=reward, replay_groups=4, replay_buffer=buffer
    )
    brain.generator = torch.Generator
    brain.score = lambda batch, draws: (torch.ones(2, 3, 16), torch.ones(2, 8))
    audio = SimpleNamespace(sig=None, to=lambda device: None)
    for batch, fresh, logged in ((audio, 2, 2), (SimpleNamespace(), 0, 4)):
        out = brain.compute_forward(batch, sb.Stage.TRAIN)
        assert len(out["logits"]) == fresh + 4 and out["fresh"] == fresh
        brain.recent, brain.nonfinite_in_a_row = PolicyStats(3, 4.6875), 0
        brain.on_fit_batch_end(batch, out, None, should_step=False)
        assert brain.recent.sums["count"] == logged


def test_groups_are_allocated_independently(allocator):
    torch.nn.init.normal_(allocator.classifier.weight)
    features = torch.randn(2, 5, 3, 16)
    logits = allocator(features)
    alone = allocator(features[1:, 2:3])
    torch.testing.assert_close(alone[0, 0], logits[1, 2])
    assert logits.std() > 0.1


def test_budgets(allocator):
    logits = torch.zeros(1, 2, 8)
    logits[0, 0, 0], logits[0, 1, 7] = 1, 1
    assert allocator.choose(logits).tolist() == [[3, 10]]
    assert allocator.choose(logits, minimum=5)[0, 1] == 10
    assert allocator.choose(logits, bias=9.0).tolist() == [[10, 10]]
    for wrong in (2, 11):
        with pytest.raises(ValueError, match="outside 3..10"):
            allocator.choose(logits, minimum=wrong)


def test_bias_reaches_the_target_rate(allocator):
    logits = torch.randn(2, 400, 8, generator=torch.Generator().manual_seed(1))
    real = torch.ones(2, 400, dtype=torch.bool)
    real[1, 100:] = False
    for target in (3.5, 6.0, 9.5):
        bias = allocator.solve_bias(logits, real, target)
        budgets = allocator.choose(logits, bias)
        for b, n in enumerate((400, 100)):
            mean = budgets[b, :n].float().mean()
            assert target - 0.1 < mean <= target
            one = allocator.solve_bias(
                logits[b : b + 1, :n], real[b : b + 1, :n], target
            )
            same = allocator.choose(logits[b : b + 1, :n], one)
            assert torch.equal(same[0], budgets[b, :n])


@pytest.mark.parametrize(
    "objective", [enumerated_grpo, sampled_grpo, dpo], ids=lambda f: f.__name__
)
def test_objectives_find_the_best_choice(objective):
    """With a table of logits as the policy, each group converges to its best choice."""
    generator = torch.Generator().manual_seed(0)
    rewards = -torch.arange(8).sub(torch.tensor([[1], [6]])).square().float()
    logits = torch.zeros(2, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        objective(logits, rewards, generator=generator).backward()
        optimizer.step()
    assert logits.argmax(-1).tolist() == [1, 6]


def test_kl_penalty_limits_the_policy():
    rewards = torch.arange(8.0)[None]
    ends = []
    for weight in (0.0, 1.0):
        logits = torch.zeros(1, 8, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=0.1)
        for _ in range(200):
            optimizer.zero_grad()
            loss = enumerated_grpo(logits, rewards)
            (loss + weight * divergence_from_start(logits)).backward()
            optimizer.step()
        ends.append(logits.detach().softmax(-1).max())
    assert ends[0] > 0.9 > 0.5 > ends[1]


def test_batch_rewards_equal_single(tiny_codec):
    codec = tiny_codec
    reward = ReconstructionReward(codec, token_weight=0.2, num_steps=2)
    generator = torch.Generator()
    wavs = 0.1 * torch.randn(2, 4 * 5120, generator=generator.manual_seed(1))
    wavs[1, 2 * 5120 :] = 0
    lens = torch.tensor([1.0, 0.5])
    found, distances, _, _ = reward(wavs, lens, generator.manual_seed(3))
    noise = torch.randn(2, 80, 100, generator=generator.manual_seed(3))
    for b, n in ((0, 4), (1, 2)):
        wav = wavs[b : b + 1, : n * 5120]
        tokens, _ = codec.encode(wav)
        mel = codec.group(wav)[0][0] * codec.mel_std + codec.mel_mean
        for j, budget in enumerate(range(3, 11)):
            kept = tokens.clone()
            kept[..., budget:] = codec.mask_id
            drawn = codec.decode_mel(
                kept,
                noise=noise[b : b + 1, : n * 20],
                num_steps=2,
                guidance_scale=0.0,
            )[0].unflatten(0, (n, 20))
            error = (drawn - mel).norm(dim=-1).square().mean(-1)
            torch.testing.assert_close(distances[b, :n, j], error)
            torch.testing.assert_close(found[b, :n, j], -0.2 * budget - error)


def test_rewards_exclude_padding(tiny_codec):
    """Vocoded audio after the end of the clip has no influence."""
    generator = torch.Generator()
    wavs = 0.1 * torch.randn(1, 5120 + 700, generator=generator.manual_seed(1))
    found = []
    for tail in (0.0, 0.9):

        def vocoder(mel, tail=tail):
            made = mel.new_zeros(len(mel), mel.shape[1] * 256)
            made[:, wavs.shape[1] :] = tail
            return made

        reward = ReconstructionReward(tiny_codec, num_steps=1)
        reward.vocoder = vocoder
        found.append(reward(wavs, torch.ones(1), generator.manual_seed(3))[0])
    assert torch.equal(*found)


def test_vocoded_rewards_do_not_depend_on_the_batch(tiny_codec):
    """The vocoder reads no padding after a shorter clip."""
    torch.manual_seed(0)
    vocoder = VocosVocoder(dim=16, intermediate_dim=16, num_layers=1)
    reward = ReconstructionReward(tiny_codec, vocoder, num_steps=1)
    generator = torch.Generator()
    wavs = 0.1 * torch.randn(2, 4 * 5120, generator=generator.manual_seed(1))
    _, alone, *_ = reward(
        wavs[:1, :10000], torch.ones(1), generator.manual_seed(3)
    )
    wavs[0, 10000:] = 0
    lens = torch.tensor([10000 / 20480, 1.0])
    _, together, *_ = reward(wavs, lens, generator.manual_seed(3))
    torch.testing.assert_close(together[:1, :2], alone)


def test_rewards_without_vocoder_end_with_the_clip(tiny_codec):
    """Of the last group, frames after the end of the audio have no error."""
    codec, generator = tiny_codec, torch.Generator()
    reward = ReconstructionReward(codec, num_steps=1)
    wavs = 0.1 * torch.randn(1, 5120 + 700, generator=generator.manual_seed(1))
    _, distances, *_ = reward(wavs, torch.ones(1), generator.manual_seed(3))
    noise = torch.randn(1, 40, 100, generator=generator.manual_seed(3))
    tokens, _ = codec.encode(wavs)
    made = codec.decode_mel(
        tokens, noise=noise, num_steps=1, guidance_scale=0.0
    )
    mel = codec.log_mel(codec.group(wavs)[0].flatten(1, 2))
    error = (made - mel)[0, 20:23].square().sum(-1)  # 700 samples: 3 frames
    torch.testing.assert_close(distances[0, 1, -1], error.sum() / 20)


def test_rewards_are_computed_in_full_precision(tiny_codec, device):
    """Also with autocast, so that tokens equal those of inference."""
    reward = ReconstructionReward(tiny_codec, num_steps=1).to(device)
    draws = torch.Generator()
    wavs = 0.1 * torch.randn(1, 4 * 5120, generator=draws.manual_seed(1))
    inputs = wavs.to(device), torch.ones(1, device=device)
    wanted = reward(*inputs, draws.manual_seed(2))
    with torch.autocast(device, torch.bfloat16):
        found = reward(*inputs, draws.manual_seed(2))
    for one, other in zip(found, wanted):
        assert one.dtype == torch.float32 and one.device.type == device
        torch.testing.assert_close(one, other)


def test_signature_of_rewards(tiny_codec):
    reward = ReconstructionReward(tiny_codec, num_steps=1)
    known, distances = {reward.fingerprint}, reward.distance_fingerprint
    reward.token_weight = 9.0
    known.add(reward.fingerprint)
    assert reward.distance_fingerprint == distances
    reward.codec.flow.backbone.project_out.weight[0, 0] += 1
    known.add(reward.fingerprint)
    assert len(known) == 3 and reward.fingerprint in known
    assert reward.distance_fingerprint != distances


def test_codec_is_frozen(tiny_codec):
    reward = ReconstructionReward(tiny_codec).train()
    assert not tiny_codec.training
    assert not any(p.requires_grad for p in reward.parameters())
