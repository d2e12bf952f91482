"""Tokens, rewards and evaluations are computed in full precision.

How many tokens change with a lower one is measured on a GPU where there is
one, and by rounding the factors of all products elsewhere.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from speechbrain import Stage

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward
from speechbrain_gogo.lobes.nn.precision import full_precision


def flags():
    """The settings that SpeechBrain changes."""
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.is_autocast_enabled("cpu"),
    )


FULL = (False, False, False)


@pytest.fixture
def codec(tiny_codec_folder):
    """A tiny codec that tells groups of noise apart."""
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    torch.manual_seed(0)
    for weight in codec.codec.encoder.transformer.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    return codec


@pytest.fixture
def wavs():
    return 0.1 * torch.randn(4, 60000, generator=torch.Generator())


def flipped(tokens, others):
    return (tokens != others.to(tokens)).float().mean().item()


def test_token_flips_of_tf32_and_bf16(codec, wavs, monkeypatch, request):
    """By rounding the factors of products."""
    monkeypatch.syspath_prepend(request.config.rootpath / "bench" / "quality")
    from token_flips import flipped_shares

    found = flipped_shares(codec, [wavs]).values()
    fp32, tf32, bf16 = (sum(shares) / len(shares) for shares in found)
    assert fp32 < 0.001
    assert 0 < tf32 < 0.05
    assert tf32 < bf16 < 0.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_tokens_equal_cpu_tokens(codec, wavs, tiny_codec_folder):
    """Except for rounding of sums; with TF32 more tokens would differ."""
    plain, _ = codec.encode_batch(wavs)
    there = GogoCodec.from_hparams(
        tiny_codec_folder, run_opts={"device": "cuda"}
    )
    there.load_state_dict(codec.state_dict())
    tokens, _ = there.encode_batch(wavs.cuda())
    assert torch.backends.cuda.matmul.allow_tf32  # as SpeechBrain wants it
    rounded, _ = there.codec.encode(wavs.cuda())  # without the interface
    assert flipped(plain, tokens) < 0.001
    assert flipped(plain, tokens) <= flipped(plain, rounded) < 0.05


def watched(module):
    """The flags during each of the module's forward passes."""
    seen = []
    module.register_forward_hook(lambda *_: seen.append(flags()))
    return seen


@pytest.fixture
def tf32():
    """TF32 allowed, as after importing SpeechBrain on any machine."""
    before = flags()[:2]
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    yield
    assert flags()[:2] == (True, True)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = (
        before
    )


def test_encoding_and_decoding(codec, wavs, tf32):
    encoder = watched(codec.codec.encoder.stem)
    decoder = watched(codec.codec.flow.backbone.project_x)
    vocoder = watched(codec.vocoder)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens, lens = codec.encode_batch(wavs)
        codec.decode_batch(tokens, lens, num_steps=1)
        list(codec.encode_stream(wavs[:1]))
        next(codec.decode_stream(tokens[0], num_steps=1))
    for seen in (encoder, decoder, vocoder):
        assert len(seen) > 1 and set(seen) == {FULL}


def test_rewards(codec, wavs, tf32):
    """In a training in bf16, too."""
    reward = ReconstructionReward(codec.codec, codec.vocoder, num_steps=1)
    encoder = watched(codec.codec.encoder.stem)
    vocoder = watched(codec.vocoder)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reward(wavs[:1, :12000], torch.ones(1))
    assert set(encoder) == set(vocoder) == {FULL}


def test_fingerprints_do_not_depend_on_precision(codec, tiny_codec_folder):
    """The same in any precision; a corpus says in which it was made."""
    half = GogoCodec.from_hparams(
        tiny_codec_folder, run_opts={"precision": "bf16"}
    )
    again = GogoCodec.from_hparams(tiny_codec_folder)
    assert half.fingerprint == again.fingerprint != codec.fingerprint


def test_precision_settings_are_restored_after_errors(tf32):
    with pytest.raises(KeyError), full_precision("cpu"):
        assert flags() == FULL
        raise KeyError


def test_precision_settings_of_overlapping_threads(tf32):
    """A thread that ends first does not enable TF32 for the other."""
    first, second = full_precision("cpu"), full_precision("cpu")
    with ThreadPoolExecutor(1) as other:
        other.submit(first.__enter__).result()
        with second:
            other.submit(first.__exit__, None, None, None).result()
            assert flags() == FULL


def test_validation_and_evaluation(tmp_path, tf32):
    """Training may use lower precision."""
    seen = {}

    class Regression(TrainingBrain):
        def compute_forward(self, batch, stage):
            seen.setdefault(stage, set()).add(flags())
            return self.modules.net(batch)

        def compute_objectives(self, predictions, batch, stage):
            return predictions.square().mean()

    hparams = {
        "budget": TrainingBudget(10, warmup_steps=0),
        "learning_rate": 0.01,
        "seed": 0,
        "output_folder": str(tmp_path),
    }
    brain = Regression(
        {"net": torch.nn.Linear(3, 2)},
        torch.optim.SGD,
        hparams,
        {"precision": "bf16"},
    )
    batches = torch.utils.data.DataLoader(
        list(torch.randn(2, 5, 3)), batch_size=None
    )
    brain.fit(range(1), batches, batches, progressbar=False)
    brain.evaluate(batches, progressbar=False)
    assert seen[Stage.TRAIN] == {(True, True, True)}
    assert seen[Stage.VALID] == seen[Stage.TEST] == {FULL}
