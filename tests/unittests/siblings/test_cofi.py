"""CoFi-Codec: its equations against independent calculations, and its calls."""

import math
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

RATE, GROUP = 16000, 1920


@pytest.fixture(scope="module")
def codec(tiny_cofi_folder):
    return CoFiCodec.from_hparams(tiny_cofi_folder)


@pytest.fixture
def model(tmp_path):
    """The tiny YAML's objects, new for every test."""
    return build_tiny_cofi(tmp_path / "tiny.yaml")["model"]


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 5 * RATE // 2 + 77, generator=generator)


# The interface


def test_contract(codec):
    assert codec.sample_rate == 16000 and codec.group_samples == GROUP
    assert codec.vocab_size == codec.mask_id == 64 and codec.num_codebooks == 28
    assert codec.group_rate == pytest.approx(25 / 3)
    assert [level.name for level in codec.levels] == [
        "120 ms",
        "40 ms",
        "20 ms",
    ]
    assert [level.steps for level in codec.levels] == [1, 3, 6]
    assert codec.bitrate == pytest.approx(25 / 3 * 28 * 6)


def test_batch_and_stream_equal_single(codec, wavs, monkeypatch):
    """Also in windows that are shorter than the audio."""
    monkeypatch.setattr(codec.codec, "window_groups", 15)
    assert codec.codec.encoder_context < 15  # a window forgets what is past
    lengths = [wavs.shape[1], RATE + 5]
    lens = torch.tensor(lengths) / wavs.shape[1]
    tokens, token_lens = codec.encode_batch(wavs, lens)
    embeddings = codec.speaker_embedding(wavs, lens)
    audio, audio_lens = codec.decode_batch(
        tokens, token_lens, embedding=embeddings, num_samples=lengths
    )
    assert (audio_lens * audio.shape[1]).round().tolist() == lengths
    for b, length in enumerate(lengths):
        wav = wavs[b : b + 1, :length]
        alone, _ = codec.encode_batch(wav)
        groups = math.ceil(length / GROUP)
        assert alone.shape == (1, groups, 28) and alone.unique().numel() > 16
        assert torch.equal(tokens[b, :groups], alone[0])
        streamed = torch.cat(list(codec.encode_stream(wav[0].split(7001))))
        assert torch.equal(streamed, alone[0])
        g = codec.speaker_embedding(wav)
        assert torch.equal(g[0], embeddings[b])
        # At once, without windows, in the same voice.
        clip = F.pad(wav, (0, -length % GROUP))
        whole = codec.codec.tokenize(codec.codec.mel(clip), g)
        assert torch.equal(whole, alone)
        single, _ = codec.decode_batch(alone, embedding=g, num_samples=length)
        assert (audio[b, :length] - single[0]).abs().max() < 1e-4
        pieces = codec.decode_stream(iter(alone[0].split(11)), embedding=g[0])
        pieces = torch.cat(list(pieces))[:length]
        assert (pieces - single[0]).abs().max() < 1e-4


def test_keep_counts_scales(codec, wavs):
    tokens, _ = codec.encode_batch(wavs[:1])
    by_hand = tokens.clone()
    by_hand[..., 4:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=2)
    assert torch.equal(kept, codec.decode_mel(by_hand))
    assert torch.equal(kept, codec.decode_mel(tokens[..., :4]))
    assert not torch.equal(kept, codec.decode_mel(tokens))
    assert (codec.embed(by_hand)[..., 4:, :] == 0).all()
    # Of each group, its own number.
    each = torch.full((1, tokens.shape[1]), 3)
    each[0, -1] = 1
    by_hand = tokens.clone()
    by_hand[0, -1, 1:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=each)
    assert torch.equal(kept, codec.decode_mel(by_hand))
    with pytest.raises(ValueError, match="keep=4 is outside 1..3"):
        codec.decode_batch(tokens, keep=4)


def test_files_rates_and_bad_input(codec, wavs, tmp_path):
    import soundfile

    path = tmp_path / "in.wav"
    soundfile.write(path, wavs[0, :RATE].numpy(), RATE)
    out = codec.reconstruct_file(path, tmp_path / "out.wav", keep=1)
    assert soundfile.info(out).frames == RATE
    assert codec.encode_file(path).shape == (9, 28)
    tokens, _ = codec.encode_batch(0.1 * torch.ones(1, 5))
    assert codec.decode_batch(tokens, num_samples=5)[0].shape == (1, 5)
    tokens, _ = codec.encode_batch(torch.zeros(1, 48000), sample_rate=48000)
    assert tokens.shape == (1, 9, 28)
    assert codec.decode_batch(tokens)[0].isfinite().all()
    with pytest.raises(ValueError, match="NaN or Inf"):
        codec.encode_batch(torch.full((1, RATE), math.nan))
    with pytest.raises(ValueError, match="Inf"):
        list(codec.encode_stream([torch.full((RATE,), math.inf)]))
    with pytest.raises(ValueError, match=r"embedding must be \[batch, 32\]"):
        codec.decode_batch(tokens, embedding=torch.zeros(1, 5))
    with pytest.raises(ValueError, match="none of 0..64"):
        codec.decode_batch(tokens + 100)
    with pytest.raises(ValueError, match="empty.wav"):
        (tmp_path / "empty.wav").write_bytes(b"")
        codec.encode_file(tmp_path / "empty.wav")


# The network


def test_one_output_of_a_strided_convolution():
    conv = StridedConv(2, stride=3)
    x = torch.randn(1, 2, 12)
    seen = torch.cat([x[0, :, 3:6], x[0, :, 6:9]], dim=1)  # of output 2
    expected = (conv.weight * seen).sum((1, 2)) + conv.bias
    assert torch.allclose(conv(x)[0, :, 2], expected, atol=1e-5)


def test_the_recursion_by_hand(model):
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


def test_a_masked_scale_adds_zeros(model):
    codec = model["codec"].eval()
    tokens, g = torch.randint(64, (1, 2, 28)), torch.randn(1, 32)
    with torch.no_grad():
        s = codec.quantizers[0].decode(tokens[..., :1])
        d = codec.decoder.step(2, torch.zeros(1, 2, 32), s, g)
        d = codec.decoder.step(1, d, torch.zeros_like(d), g)
        d = codec.decoder.step(0, d, torch.zeros_like(d), g)
        expected = codec.decoder(d)
        assert torch.equal(codec.decode_mel(tokens[..., :1], g), expected)


def test_groups_depend_on_no_later_audio(model):
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
    with open(HPARAMS / "mini/cofi.yaml") as stream:
        model = load_hyperpyyaml(stream, {**changes["model"], **small})
    codec = model["codec"].eval()
    size, columns = {"two_scales": (1920, 25), "one_scale": (320, 4)}[name]
    assert (codec.group_samples, codec.num_codebooks) == (size, columns)
    assert changes["valid_keeps"][-1] == len(codec.levels)
    tokens, _ = codec.encode(torch.randn(1, 3840))
    assert tokens.shape == (1, 3840 // size, columns)
    assert codec.decode_mel(tokens, torch.zeros(1, 16)).shape == (1, 24, 80)


# Training


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


def test_gradients_reach_what_is_kept(model):
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
    """The coarsest scale alone tells much, all scales more."""
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
