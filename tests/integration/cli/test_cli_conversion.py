"""`gogo convert` and `gogo enhance`."""

import numpy as np
import pytest
import soundfile
from test_cli import complaint, samples_of

from speechbrain_gogo.inference.marking import says_synthetic


@pytest.fixture
def clips(tmp_path):
    """A recording of 1.5 s at 16 kHz, and a voice."""
    paths = tmp_path / "source.flac", tmp_path / "voice.wav"
    for seed, path in enumerate(paths):
        clip = np.random.default_rng(seed).normal(size=24000)
        soundfile.write(path, 0.1 * clip, 16000)
    return paths


def test_what_is_written(gogo, clips, tmp_path):
    source, voice = clips
    lines = {
        "converted": ("convert", source, voice),
        "enhanced": ("enhance", source),
        "after": ("enhance", source, "--prompt", voice),
        "other": ("convert", source, voice, "--seed", 1),
        "cold": ("convert", source, voice, "--temperature", 0, "--steps", 1),
    }
    audio = {}
    for name, line in lines.items():
        path = tmp_path / "new" / f"{name}.wav"
        result = gogo(*line, "-o", path)
        assert result.exit_code == 0, result.stderr
        told = result.stdout.replace("\n", " ")
        assert f"{name}.wav: 1.50 s, 53.3 tokens/s" in told  # whole groups
        audio[name] = samples_of(path)
        assert len(audio[name]) == 36000 and says_synthetic(path)
    assert (audio.pop("after") == audio["converted"]).all()
    first = audio.pop("converted")
    for name, wav in audio.items():
        assert (wav != first).any(), name


def test_it_is_watermarked(gogo, clips, tmp_path, monkeypatch):
    marked = []

    def mark(pieces, rate, watermark):
        marked.append((rate, watermark))
        return pieces

    place = "speechbrain_gogo.inference.synthesis.files.mark_stream"
    monkeypatch.setattr(place, mark)
    result = gogo("convert", *clips, "-o", tmp_path / "out.wav")
    assert result.exit_code == 0 and marked == [(24000, "perth")]


def test_errors_are_one_line(gogo, clips, tiny_socodec_speech_folder, tmp_path):
    (source, voice), out = clips, tmp_path / "out.wav"
    line = "convert", source, voice, "-o"
    before = source.read_bytes()
    told = complaint(gogo(*line, out, codec="gogo-mini"))
    assert "has no Stage II" in told and "groups_stage2.yaml" in told
    told = complaint(gogo(*line, out, codec=tiny_socodec_speech_folder))
    assert "is a SoCodecSpeech" in told and "embedding=" in told
    assert "is the source" in complaint(gogo(*line, source))
    assert "is the prompt" in complaint(gogo(*line, voice))
    assert "nameless" in complaint(gogo(*line, tmp_path / "nameless"))
    assert "none.wav" in complaint(
        gogo("enhance", tmp_path / "none.wav", "-o", out)
    )
    assert source.read_bytes() == before and not out.exists()
