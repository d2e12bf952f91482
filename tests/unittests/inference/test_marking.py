"""Synthetic audio is watermarked and marked in its metadata; both are detected."""

import json
import logging
import sys

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.writing import FORMATS, written_audio
from speechbrain_gogo.inference.demo.run import EXAMPLE
from speechbrain_gogo.inference.marking import (
    SYNTHETIC,
    detect_file,
    find_watermark,
    mark_stream,
    says_synthetic,
)
from speechbrain_gogo.inference.marking.watermarks import load_watermark


@pytest.fixture(scope="module")
def perth():
    pytest.importorskip("perth")
    return load_watermark("perth")


@pytest.fixture(scope="module")
def speech():
    wav, rate = soundfile.read(EXAMPLE, dtype="float32")
    assert rate == 24000
    return torch.from_numpy(wav)


def mark(watermark, wav):
    """A whole waveform with a watermark."""
    pieces = list(watermark.mark_stream([wav], 24000))
    return torch.cat(pieces) if pieces else wav


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
def test_watermark_of_a_stream_equals_the_whole(perth, speech, rate):
    wav = change_rate(speech, 24000, rate)[: 3 * rate]
    whole = perth._mark_whole(wav, rate)
    sizes = [1, rate // 7, 13, rate]
    pieces = [*wav[: sum(sizes)].split(sizes), wav[sum(sizes) :]]
    made, given = [], []
    for piece in perth.mark_stream(
        (given.append(p) or p for p in pieces), rate
    ):
        made.append(piece)
        behind = sum(map(len, given)) - sum(map(len, made))
        assert len(given) == len(pieces) or behind <= 0.46 * rate
    assert len(made) > 2
    stream = torch.cat(made)
    assert stream.shape == wav.shape
    assert (stream - whole).abs().max() < 1e-5 < (stream - wav).abs().max()
    assert perth.score(stream, rate) > 0.9 > 0.5 > perth.score(wav, rate)


def test_watermark_of_silence_and_short_audio(perth):
    for wav in (torch.zeros(24000), torch.zeros(3), 0.1 * torch.randn(3)):
        marked = mark(perth, wav)
        assert marked.shape == wav.shape and marked.isfinite().all()
    assert mark(perth, torch.zeros(24000)).abs().max() < 1e-9
    assert mark(perth, torch.zeros(0)).shape == (0,)
    assert np.isnan(perth.score(torch.zeros(24000), 24000))


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_are_marked_in_every_format(perth, speech, suffix, tmp_path):
    """In every format, also where a part of a long file is marked."""
    wav = torch.cat([speech, speech, speech])  # 3 x 5.1 s
    clean, marked = (tmp_path / f"{name}{suffix}" for name in ("a", "b"))
    with written_audio(clean, 24000) as write:
        write(wav)
    pieces = [wav[:240000], *perth.mark_stream([wav[240000:]], 24000)]
    with written_audio(marked, 24000, SYNTHETIC) as write:
        for piece in pieces:
            write(piece)
    clean, found = detect_file(clean), detect_file(marked)
    assert clean.verdict == "not watermarked" and not clean.says_synthetic
    assert found.verdict == "watermarked" and found.says_synthetic
    scores = [score for *_, score in found.windows]
    assert [score > 0.5 for score in scores] == [False, False, True]
    assert found.probability == scores[2]
    assert found.seconds == pytest.approx(len(wav) / 24000, abs=0.1)


def test_detection_without_a_result(perth, speech, tmp_path):
    for wav in (np.zeros(48000), speech[8000:20000].numpy()):
        soundfile.write(tmp_path / "a.wav", wav, 24000)
        found = detect_file(tmp_path / "a.wav")
        assert found.verdict == "cannot tell" and found.probability is None


def test_detect_as_a_command(perth, speech, tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, mark(perth, speech).numpy(), 24000)
    told = CliRunner().invoke(app, ["detect", str(path)])
    assert told.exit_code == 0 and ": watermarked, probability" in told.stdout
    assert "metadata: nothing" in told.stdout
    told = CliRunner().invoke(app, ["detect", str(path), "--json"])
    found = json.loads(told.stdout)
    assert found["verdict"] == "watermarked" and found["probability"] > 0.9
    told = CliRunner().invoke(app, ["detect", str(tmp_path / "none.wav")])
    assert told.exit_code == 1 and "none.wav" in told.stderr


def test_commands_mark_speech_but_not_recordings(
    perth, tiny_speech_folder, speech, tmp_path, monkeypatch
):
    """Token files that are not marked as recordings count as synthetic."""
    from speechbrain_gogo.inference import GogoCodec
    from speechbrain_gogo.inference.files.tokens import load_tokens, save_tokens

    marked = []
    stream = type(perth).mark_stream

    def counted(self, pieces, rate):
        marked.append(rate)
        return stream(self, pieces, rate)

    monkeypatch.setattr(type(perth), "mark_stream", counted)

    def run(*words):
        words = [*map(str, words), "--codec", str(tiny_speech_folder)]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.stderr
        return len(marked), says_synthetic(out)

    out, tokens = tmp_path / "out.wav", tmp_path / "a.safetensors"
    prompt = "--prompt", EXAMPLE, "--prompt-text", "The quick brown fox."
    assert run("speak", "--text", "So.", "-o", out, *prompt) == (1, True)
    assert run("encode", out, tokens)[0] == 1
    assert not load_tokens(
        tokens
    ).recorded  # the file says that it is synthetic
    assert run("reconstruct", out, tmp_path / "again.wav") == (2, True)
    assert run("decode", tokens, out) == (3, True)
    run("encode", EXAMPLE, tokens)
    assert run("decode", tokens, out) == (3, False)
    codec = GogoCodec.from_hparams(tiny_speech_folder)
    found = load_tokens(tokens)
    save_tokens(tokens, found.tokens, found.num_samples, codec.fingerprint)
    assert run("decode", tokens, out) == (4, True)


def test_watermark_can_be_turned_off(perth, speech):
    pieces = speech.split(5000)
    assert list(mark_stream(pieces, 24000, watermark=None)) == list(pieces)
    with pytest.raises(ValueError, match="'nosuch'.*perth"):
        mark_stream(pieces, 24000, watermark="nosuch")


def test_missing_watermark_package_warns_once(monkeypatch, caplog, tmp_path):
    monkeypatch.setitem(sys.modules, "perth", None)
    for name in [name for name in sys.modules if name.startswith("perth.")]:
        monkeypatch.delitem(sys.modules, name)
    load_watermark.cache_clear()
    find_watermark.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                pieces = [torch.zeros(9)]
                assert list(mark_stream(pieces, 24000)) == pieces
        (told,) = caplog.messages
        assert "no watermark" in told and "[watermark]" in told
        result = CliRunner().invoke(app, ["detect", str(EXAMPLE)])
        assert result.exit_code == 1 and "[watermark]" in result.stderr
    finally:
        find_watermark.cache_clear()
        load_watermark.cache_clear()
