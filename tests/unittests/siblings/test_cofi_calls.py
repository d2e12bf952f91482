"""CoFi-Codec: its recursion and its calls."""

from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from tiny_cofi import build_tiny_cofi
from torch.nn import functional as F

from speechbrain_gogo import HPARAMS
from speechbrain_gogo.inference import CoFiCodec
from speechbrain_gogo.lobes.cofi import ScaleDropout
from speechbrain_gogo.lobes.cofi.blocks import StridedConv


@pytest.fixture(scope="module")
def codec(tiny_cofi_folder):
    return CoFiCodec.from_hparams(tiny_cofi_folder)


@pytest.fixture
def model(tmp_path):
    """The tiny YAML's objects, new for every test."""
    return build_tiny_cofi(tmp_path / "tiny.yaml")["model"]


def test_output_of_a_strided_convolution():
    conv = StridedConv(2, 2, kernel_size=6, stride=3)
    x = torch.randn(1, 2, 12)
    seen = torch.cat([x[0, :, 3:6], x[0, :, 6:9]], dim=1)  # of output 2
    expected = (conv.weight * seen).sum((1, 2)) + conv.bias
    assert torch.allclose(conv(x)[0, :, 2], expected, atol=1e-5)


def test_scale_recursion_by_hand(model):
    """Figure 1 (a): s^i codes e^i - d^i; d^i + s^i + g makes d^(i-1)."""
    codec = model["codec"].eval()
    mel, g = torch.randn(1, 36, 80), torch.randn(1, 32)
    blocks = codec.decoder.blocks
    with torch.no_grad():
        x = codec.encoder.conv_in(mel.transpose(1, 2))
        e = []
        for block in codec.encoder.blocks:
            x = block.resample(F.silu(block.units(x)))
            e.append(x[0].T)  # [T_i, C]
        d, ids = torch.zeros(3, 32), []
        for i, quantizer in zip((2, 1, 0), codec.quantizers):
            inner = quantizer.project_in(e[i] - d)
            books = quantizer.codebooks.embed  # [G, codes, d]
            parts = inner.chunk(len(books), dim=1)
            found = [
                torch.cdist(x[None], book[None])[0].argmin(1)
                for x, book in zip(parts, books)
            ]
            codes = [book[index] for book, index in zip(books, found)]
            s = quantizer.project_out(torch.cat(codes, dim=1))
            if i == 0:  # pairs of 8 codes, the first is the low digit
                found = [a + 8 * b for a, b in zip(found[::2], found[1::2])]
            ids.append(torch.stack(found, dim=1))
            y = blocks[i].units((d + s + g).T[None])
            d = blocks[i].resample(F.silu(y))[0].T
        expected = codec.decoder.conv_out(F.silu(d.T[None]))[0].T
        tokens = codec.tokenize(mel, g)
        coarse, middle, fine = codec.levels.unpack(tokens)
        for part, index in zip((coarse, middle, fine), ids):
            assert torch.equal(part[0], index)
        decoded = codec.decode_mel(tokens, g)[0]
    assert torch.allclose(decoded, expected, atol=1e-4)


def test_masked_scales_add_zeros(model):
    codec = model["codec"].eval()
    tokens, g = torch.randint(64, (1, 2, 28)), torch.randn(1, 32)
    with torch.no_grad():
        s = codec.quantizers[0].decode(tokens[..., :1])
        d = codec.decoder.step(2, torch.zeros(1, 2, 32), s, g)
        d = codec.decoder.step(1, d, torch.zeros_like(d), g)
        d = codec.decoder.step(0, d, torch.zeros_like(d), g)
        expected = codec.decoder(d)
        assert torch.equal(codec.decode_mel(tokens[..., :1], g), expected)


def test_groups_do_not_depend_on_later_audio(model):
    codec = model["codec"].eval()
    mel, g = torch.randn(1, 60, 80), torch.randn(1, 32)
    changed = mel.clone()
    changed[:, 36:] += 1
    tokens, others = codec.tokenize(mel, g), codec.tokenize(changed, g)
    assert torch.equal(tokens[:, :3], others[:, :3])
    assert not torch.equal(tokens[:, 3], others[:, 3])
    decoded = codec.decode_mel(tokens, g)
    cut = codec.decode_mel(tokens[:, :3], g)
    assert torch.allclose(decoded[:, :36], cut, atol=1e-5)


@pytest.mark.parametrize("name", ["two_scales", "one_scale"])
def test_fewer_scales(name):
    """Figure 3: the other codecs have the columns of their scales."""
    recipe = Path(__file__).parents[3] / "recipes/LibriTTS/cofi/hparams"
    with open(recipe / f"figure3/{name}.yaml") as stream:
        changes = load_hyperpyyaml(stream)
    small = {"dim": 16, "vocab_size": 64, "stream_dim": 16}
    with open(HPARAMS / "cofi.yaml") as stream:
        model = load_hyperpyyaml(stream, {**changes["model"], **small})
    codec = model["codec"].eval()
    size, columns = {"two_scales": (1920, 25), "one_scale": (320, 4)}[name]
    assert (codec.group_samples, codec.num_codebooks) == (size, columns)
    assert changes["valid_keeps"][-1] == len(codec.levels)
    assert codec.window_groups * size == 60 * 16000
    tokens, _ = codec.encode(torch.randn(1, 3840))
    assert tokens.shape == (1, 3840 // size, columns)
    short = torch.randn(1, 7)  # fewer samples than the mel reflects
    assert codec.encode(short)[0].shape == (1, 1, columns)
    assert codec.speaker_embedding(short).shape == (1, 16)
    assert codec.decode_mel(tokens, torch.zeros(1, 16)).shape == (1, 24, 80)


def test_scale_wise_nested_dropout():
    dropout = ScaleDropout([0.8, 0.1, 0.1])
    kept = dropout.draw(20000, torch.Generator().manual_seed(0)).bincount()
    assert kept[0] == 0
    expected = torch.tensor([0.1, 0.1, 0.8])  # 1, 2 and 3 scales
    assert torch.allclose(kept[1:] / 20000, expected, atol=0.01)
    assert (dropout.eval().draw(50) == 3).all()
    with pytest.raises(ValueError, match="distribution"):
        ScaleDropout([0.8, 0.1])


def test_equation_1(model):
    """Losses of two clips, one of half the length, by their definition."""
    codec, objective = model["codec"], model["objective"]
    codec.eval()  # all scales, codebooks as they are
    mel, lens = torch.randn(2, 48, 80), torch.tensor([1.0, 0.5])
    mel[1, 24:] = 0
    losses = objective(mel, lens, torch.Generator().manual_seed(0))
    g, squares, errors = losses["embedding"], [[], [], []], []
    for b, frames in enumerate((48, 24)):
        clip, voice = mel[b : b + 1, :frames], g[b : b + 1]
        tokens = codec.tokenize(clip, voice)
        errors.append(codec.decode_mel(tokens, voice) - clip)
        e, d = codec.encoder(clip), 0
        parts = codec.levels.unpack(tokens)
        for rank, i in enumerate((2, 1, 0)):
            quantizer, ids = codec.quantizers[rank], parts[rank]
            inner = quantizer.project_in(e[i] - d)
            codes = quantizer.embed(ids).flatten(2)
            squares[rank].append((inner - codes).square())
            d = codec.decoder.step(i, d, quantizer.decode(ids), voice)
    vq = sum(torch.cat(each, 1).mean() for each in squares) / 3
    mse = torch.cat(errors, 1).square().mean()
    assert torch.allclose(losses["vq"], vq, rtol=1e-4)
    assert torch.allclose(losses["mel"], mse, rtol=1e-4)
    assert torch.allclose(losses["loss"], vq + mse, rtol=1e-4)


def test_gradients_reach_kept_scales_only(model):
    codec, objective = model["codec"].train(), model["objective"].train()
    mel, lens = torch.randn(3, 48, 80), torch.ones(3)
    for kept in (1, 3):
        masked = 3 - kept
        objective.scale_dropout.probabilities = torch.eye(3)[masked]
        codec.zero_grad()
        losses = objective(mel, lens, torch.Generator().manual_seed(0))
        losses["mel"].backward()
        reached = [
            bool(q.project_out.weight.grad.abs().sum())
            for q in codec.quantizers
        ]
        assert reached == [rank < kept for rank in range(3)]
    missing = [n for n, p in codec.named_parameters() if p.grad is None]
    assert not missing


def test_overfits_a_clip(model):
    """The error decreases with the number of scales."""
    torch.manual_seed(0)
    codec, objective = model["codec"].train(), model["objective"].train()
    for quantizer in codec.quantizers:
        quantizer.codebooks.initialized.zero_()
        quantizer.project_in.reset_parameters()
    time = torch.arange(60)[:, None] / 9
    mel = (time + torch.arange(80) / 8).sin()[None].repeat(2, 1, 1)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=5e-3)
    for step in range(80):
        optimizer.zero_grad()
        losses = objective(mel, torch.ones(2), continuous=step < 30)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimizer.step()
    codec.eval()
    g = codec.global_encoder(mel[:1])
    tokens = codec.tokenize(mel[:1], g)
    errors = [
        float((codec.decode_mel(tokens[..., :n], g) - mel[:1]).square().mean())
        for n in (1, 4, 28)
    ]
    assert errors[2] < 0.1 < 0.5  # the signal's own power is 0.5
    assert errors[0] < 0.4 and errors[2] <= errors[0]
