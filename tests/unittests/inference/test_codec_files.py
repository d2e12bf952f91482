"""GogoCodec on files: long ones, other rates, broken ones, files of tokens."""

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from speechbrain_gogo.inference.files.tokens import load_tokens, save_tokens

RATE, GROUP = 24000, 5120


def write(path, samples, rate=RATE, **options):
    soundfile.write(str(path), np.asarray(samples), rate, **options)
    return path


def test_long_audio_streams(codec, tmp_path):
    """Windows, files and streams agree with the tensor interface."""
    generator = torch.Generator().manual_seed(0)
    wav = 0.1 * torch.randn(70 * RATE + 99, generator=generator)
    path = write(tmp_path / "long.wav", wav, subtype="FLOAT")
    tokens, _ = codec.encode_batch(wav.unsqueeze(0))
    assert torch.equal(codec.encode_file(path), tokens[0])
    first, _ = codec.encode_batch(wav[None, : 200 * GROUP])
    assert torch.equal(first[0, :199], tokens[0, :199])  # in pieces
    audio, _ = codec.decode_batch(tokens, num_samples=len(wav))
    pieces = list(codec.decode_stream(tokens[0], num_samples=len(wav)))
    assert len(pieces) > 3
    assert torch.allclose(torch.cat(pieces), audio[0], atol=1e-5)
    out = codec.reconstruct_file(path, tmp_path / "out.wav", keep=3)
    assert soundfile.info(str(out)).frames == len(wav)
    with pytest.raises(ValueError, match="out.xyz"):
        codec.reconstruct_file(path, tmp_path / "out.xyz")


def test_other_rates_and_channels(codec, tmp_path):
    time = torch.arange(44100 * 2) / 44100
    tone = 0.3 * torch.sin(2 * torch.pi * 220 * time)
    stereo = torch.stack([tone, torch.zeros_like(tone)], dim=1)
    path = write(tmp_path / "stereo.wav", stereo, 44100, subtype="FLOAT")
    tokens = codec.encode_file(path)
    by_hand, _ = codec.encode_batch(stereo.unsqueeze(0), sample_rate=44100)
    assert tokens.shape == by_hand[0].shape
    assert (tokens == by_hand[0]).float().mean() > 0.95
    with pytest.raises(ValueError, match="sample_rate=0"):
        codec.encode_batch(tone.unsqueeze(0), sample_rate=0)
    assert codec.load_audio(str(path)).shape == (2 * RATE,)
    lens = torch.tensor([0.5])
    padded = torch.cat([stereo[:44100], torch.ones(44100, 2)]).unsqueeze(0)
    alone, _ = codec.encode_batch(stereo[None, :44100], sample_rate=44100)
    batch, _ = codec.encode_batch(padded, lens, np.int64(44100))
    assert torch.equal(batch[:, :5], alone)


def test_bad_files_are_named(codec, tmp_path):
    empty = write(tmp_path / "empty.wav", np.zeros(0))
    text = tmp_path / "text.wav"
    text.write_text("no audio at all")
    poisoned = write(tmp_path / "nan.wav", [0.0, np.nan], subtype="FLOAT")
    whole = write(tmp_path / "whole.flac", 0.1 * np.random.randn(RATE))
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[:20000])
    samples = 0.1 * np.random.randn(RATE)
    short = write(tmp_path / "short.wav", samples).read_bytes()
    half, absurd = tmp_path / "half.wav", tmp_path / "absurd.wav"
    half.write_bytes(short[: len(short) // 2])
    absurd.write_bytes(  # the size of the data
        short[:40] + (2**31 - 2).to_bytes(4, "little") + short[44:]
    )
    odd = write(tmp_path / "odd.wav", samples, 44101)
    loud = write(tmp_path / "loud.wav", 1e4 * samples, subtype="FLOAT")
    missing = tmp_path / "missing.wav"
    bad = empty, text, poisoned, cut, missing, half, absurd, odd, loud
    for path in bad:
        with pytest.raises(ValueError, match=path.name):
            codec.encode_file(path)
    claims = tmp_path / "claims.flac"
    data = bytearray(whole.read_bytes())
    data[21] |= 0x0F  # 36 bits of STREAMINFO say how many samples there are
    data[22:26] = b"\xff\xff\xff\xff"
    claims.write_bytes(data)
    with pytest.raises(ValueError, match="impossible header"):
        codec.encode_file(claims)


def test_token_files(codec, tmp_path):
    tokens = codec.encode_batch(0.1 * torch.randn(1, RATE))[0][0]
    path = tmp_path / "a.safetensors"
    save_tokens(path, tokens, RATE, codec.fingerprint, codec.name)
    found = load_tokens(path, codec)
    assert torch.equal(found.tokens, tokens) and found.num_samples == RATE
    save_tokens(path, tokens, RATE, "0" * 16, "another")
    with pytest.raises(ValueError, match=f"another.*{codec.fingerprint}"):
        load_tokens(path, codec)
    metadata = {"levels": str(10**13), "mask_id": "9", "num_samples": "1"}
    ones = {"tokens": torch.ones(1), "budgets": torch.ones(1)}
    save_file(ones, path, {"fingerprint": "", "codec": "", **metadata})
    with pytest.raises(ValueError, match="no token file.* claims"):
        load_tokens(path)
    metadata = {"fingerprint": "", "codec": "", **metadata, "levels": "10"}
    columns = {"tokens": torch.ones(1, 1), "budgets": torch.ones(1).byte()}
    save_file(columns, path, metadata)
    with pytest.raises(ValueError, match="no token file.* budgets"):
        load_tokens(path)
    del metadata["mask_id"]
    save_file({"tokens": torch.ones(3)}, path, metadata)
    with pytest.raises(ValueError, match="no token file.* shape"):
        load_tokens(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no token file"):
        load_tokens(path)
