"""Budgets in use: GogoCodec.allocate, variable-rate files, the commands."""

import re
import shutil

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.demo.run import EXAMPLE
from speechbrain_gogo.inference.files.tokens import load_tokens, save_tokens
from speechbrain_gogo.inference.loading.export import export_allocator
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator

DEFINITION = """
model:
    allocator: !new:speechbrain_gogo.lobes.allocator.policy.TokenAllocator
        in_dim: 32
        dim: 32
        num_heads: 2
        ffn_dim: 64
"""


def make_allocator():
    """Untrained, with choices that differ from group to group."""
    torch.manual_seed(0)
    allocator = TokenAllocator(32, dim=32, num_heads=2, ffn_dim=64)
    torch.nn.init.normal_(allocator.classifier.weight)
    return allocator


@pytest.fixture(scope="module")
def folder(tiny_codec_folder, tmp_path_factory):
    """The tiny codec with an allocator."""
    folder = tmp_path_factory.mktemp("allocator")
    (folder / "run.yaml").write_text(DEFINITION)
    export_allocator(
        folder / "tiny",
        tiny_codec_folder,
        folder / "run.yaml",
        make_allocator(),
    )
    return folder / "tiny"


@pytest.fixture(scope="module")
def codec(folder):
    return GogoCodec.from_hparams(folder)


@pytest.fixture(scope="module")
def tokens(codec):
    """Two utterances, of 40 and of 15 groups."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(12800, (2, 40, 10), generator=generator)
    tokens[1, 15:] = codec.mask_id
    return tokens, torch.tensor([1.0, 15 / 40])


def test_allocator_does_not_change_the_codec(codec, folder, tiny_codec_folder):
    alone = GogoCodec.from_hparams(tiny_codec_folder)
    assert codec.fingerprint == alone.fingerprint
    with pytest.raises(
        ValueError, match="train one .*recipes/LibriTTS/allocator"
    ):
        alone.allocate(torch.zeros(1, 2, 10).long())
    # Again, in place, but not beside another codec.
    run = folder.parent / "run.yaml"
    export_allocator(folder, tiny_codec_folder, run, make_allocator())
    export_allocator(folder, folder, run, make_allocator())
    other = shutil.copytree(folder, folder.parent / "other")
    (other / "codec.safetensors").write_bytes(b"another")
    with pytest.raises(ValueError, match="other holds another codec"):
        export_allocator(other, folder, run, make_allocator())


@pytest.mark.parametrize(
    ["changes", "message"],
    [
        (
            {"ffn_dim: 64": "ffn_dim: 32"},
            "do not match the configured TokenAllocator",
        ),
        (
            {
                "backbone_size: 3": "backbone_size: 2",
                "num_tokens: 10": "num_tokens: 9",
            },
            "this codec needs .*'backbone_size': 3",
        ),
    ],
    ids=["other weights", "other groups"],
)
def test_loading_is_strict(folder, tmp_path, changes, message):
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / "hyperparams.yaml"
    rest, allocator = path.read_text().split("allocator:")
    for old, new in changes.items():
        assert old in allocator
        allocator = allocator.replace(old, new)
    path.write_text(f"{rest}allocator:{allocator}")
    with pytest.raises(ValueError, match=message):
        GogoCodec.from_hparams(copy)


def test_batch_equals_single(codec, tokens):
    tokens, lens = tokens
    for settings in ({}, {"minimum": 5}, {"target_rate": 30.0}):
        batch = codec.allocate(tokens, lens, **settings)
        assert batch.dtype == torch.int64 and batch.shape == (2, 40)
        assert len(batch.unique()) > 2
        assert batch.min() >= settings.get("minimum", 3) and batch.max() <= 10
        for b, n in enumerate((40, 15)):
            alone = codec.allocate(tokens[b : b + 1, :n], **settings)
            assert torch.equal(alone[0], batch[b, :n])
        backbone = codec.allocate(tokens[..., :3], lens, **settings)
        assert torch.equal(backbone, batch)
    wavs, _ = codec.decode_batch(tokens, lens, keep=batch, num_steps=1)
    assert wavs.isfinite().all()


def test_target_rates(codec, tokens):
    tokens, _ = tokens
    for rate in (15.0, 30.0, 36.0, 46.0):
        budgets = codec.allocate(tokens[:1], target_rate=rate)
        mean = float(budgets.double().mean()) * codec.group_rate
        # As close as one group's step between two of its budgets allows.
        assert rate - 7 * codec.group_rate / 40 < mean <= rate


def test_allocation_of_long_recordings(codec):
    """An hour of groups in chunks equals single groups."""
    tokens = torch.randint(12800, (1, 16875, 10))
    budgets = codec.allocate(tokens, target_rate=36.0)
    assert abs(float(budgets.double().mean()) * codec.group_rate - 36) < 0.1
    some = codec.allocate(tokens)[:, 5000:5010]
    assert torch.equal(some, codec.allocate(tokens[:, 5000:5010]))


def test_errors(codec, tokens):
    tokens, lens = tokens
    with pytest.raises(ValueError, match=r"\[1, 15\] has a masked"):
        codec.allocate(tokens)
    with pytest.raises(ValueError, match="first 3 tokens.*here are 2"):
        codec.allocate(tokens[..., :2], lens)
    with pytest.raises(
        ValueError, match=r"target_rate=9 is outside 14\.06\.\."
    ):
        codec.allocate(tokens, lens, target_rate=9)
    with pytest.raises(ValueError, match="23.44"):
        codec.allocate(tokens, lens, target_rate=20, minimum=5)
    with pytest.raises(ValueError, match="at least 11 tokens"):
        codec.allocate(tokens, lens, minimum=11)
    with pytest.raises(ValueError, match="minimum=4.5"):
        codec.allocate(tokens, lens, minimum=4.5)
    with pytest.raises(ValueError, match="target_rate=fast"):
        codec.allocate(tokens, lens, target_rate="fast")
    with pytest.raises(ValueError, match="lens must hold"):
        codec.allocate(tokens, torch.ones(3))


def test_token_files_of_variable_rate(codec, tmp_path):
    path = tmp_path / "a.safetensors"
    tokens = torch.randint(12800, (200, 10))
    save_tokens(path, tokens, 200 * 5120, "f", "c")
    whole = path.stat().st_size
    budgets = torch.randint(3, 8, (200,))
    tokens[torch.arange(10) >= budgets[:, None]] = codec.mask_id
    save_tokens(path, tokens, 200 * 5120, "f", "c", mask_id=codec.mask_id)
    found = load_tokens(path)
    assert torch.equal(found.tokens, tokens)
    assert torch.equal(found.budgets, budgets)
    assert path.stat().st_size < 0.65 * whole
    tokens[0, 0] = codec.mask_id
    with pytest.raises(ValueError, match="end of a group"):
        save_tokens(path, tokens, 1, "f", mask_id=codec.mask_id)


@pytest.fixture
def gogo(folder):
    """Runs a command with the tiny codec that has an allocator."""

    def run(*words, codec=folder):
        words = [str(word) for word in words]
        return CliRunner().invoke(app, [*words, "--codec", str(codec)])

    return run


def test_commands(gogo, codec, tmp_path, tiny_codec_folder, real_plots):
    clip, path = tmp_path / "clip.wav", tmp_path / "clip.safetensors"
    # Tones that differ from group to group, so that their tokens do.
    group = np.arange(60000) // 5120
    pitch, volume = 2.0**group, 0.5 ** (group % 5)
    tone = np.sin(2 * np.pi * 60 * pitch * np.arange(60000) / 24000)
    soundfile.write(clip, 0.9 * volume * tone, 24000)
    options = "--allocate", "--target-rate", 36
    result = gogo("encode", clip, path, *options)
    assert result.exit_code == 0, result.stderr
    found = load_tokens(path, codec)
    mean = float(found.budgets.double().mean())
    assert 33 < mean * codec.group_rate <= 36
    assert f"{mean * codec.group_rate:.1f} tokens/s" in result.stdout
    assert f"{mean:.2f} on average" in gogo("info", path).stdout

    audio = {}
    for name, words in {
        "decoded": ("decode", path),
        "reconstructed": ("reconstruct", clip),
    }.items():
        out = tmp_path / f"{name}.wav"
        more = options if name == "reconstructed" else ()
        result = gogo(*words, out, *more, "--steps", 1)
        assert result.exit_code == 0, result.stderr
        audio[name] = soundfile.read(out)[0]
        assert len(audio[name]) == 60000
    assert (audio["decoded"] == audio["reconstructed"]).all()

    image = tmp_path / "new" / "budgets.png"
    result = gogo("budgets", clip, image, "--seconds", 1)
    assert result.exit_code == 0, result.stderr
    assert image.stat().st_size > 1000 and "5 groups" in result.stdout
    for words in (
        ("encode", clip, path, "--target-rate", 36),
        ("budgets", clip, tmp_path / "budgets.wav"),
        ("budgets", clip, image, "--seconds", -1),
    ):
        result = gogo(*words)
        assert result.exit_code == 1 and "gogo: " in result.stderr
    result = gogo("encode", clip, path, *options, codec=tiny_codec_folder)
    assert result.exit_code == 1
    assert re.search("has no token allocator", result.stderr)


@pytest.mark.parametrize("level", [0, 1e-4])  # -80 dB, below any room
def test_silence_gets_fewer_tokens_than_speech(level):
    """The bundled model, on its own clip with a pause."""
    codec = GogoCodec.from_hparams("gogo-mini")
    wav, rate = soundfile.read(EXAMPLE, dtype="float32")
    assert rate == codec.sample_rate
    groups = len(wav) // codec.group_samples
    wav = torch.from_numpy(wav[: groups * codec.group_samples])
    noise = torch.randn(
        12 * codec.group_samples, generator=torch.Generator().manual_seed(0)
    )
    tokens, _ = codec.encode_batch(torch.cat([wav, level * noise])[None])
    for rate in (None, 37.5):
        budgets = codec.allocate(tokens, target_rate=rate)[0].double()
        assert budgets[groups + 1 :].mean() < budgets[:groups].mean() - 1
