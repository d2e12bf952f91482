"""The commands of `gogo` that synthesize speech."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_cli import Page, complaint, samples_of
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.dataio.audio.writing import FORMATS
from speechbrain_gogo.inference import GogoCodec


@pytest.fixture
def prompt(tmp_path):
    """Options that name a prompt at 16 kHz."""
    noise = np.random.default_rng(0).normal(size=32000)
    soundfile.write(tmp_path / "prompt.flac", 0.1 * noise, 16000)
    text = "The quick brown fox."
    return "--prompt", tmp_path / "prompt.flac", "--prompt-text", text


@pytest.fixture
def speak(gogo, prompt):
    """Runs `gogo speak` with a prompt."""

    def run(text, out, *words, **options):
        given = *prompt, "-o", out
        return gogo("speak", "--text", text, *given, *words, **options)

    return run


def test_speak(speak, tmp_path):
    settings = {
        "plain": (),
        "stream": ("--stream",),
        "seed": ("--seed", 1),
        "cold": ("--temperature", 0.5, "--top-p", 0.9, "--top-k", 50),
        "guided": ("--text-guidance", 2),
    }
    audio, told = {}, {}
    for name, options in settings.items():
        path = tmp_path / "new" / f"{name}.wav"
        result = speak("Why does the fox jump? So!", path, *options)
        assert result.exit_code == 0, result.stderr
        audio[name] = samples_of(path)
        told[name] = result.stdout.replace("\n", " ")
        seconds = len(audio[name]) / 24000
        assert f"{name}.wav: {seconds:.2f} s, 46.9 tokens/s" in told[name]
        assert "real-time factor" in told[name]
    assert (audio["stream"] == audio["plain"]).all()
    heard = re.findall(r"([\d.]+) s after ([\d.]+) s", told["stream"])
    assert len(heard) > 2 and not re.search(r"\d s after \d", told["plain"])
    times = [tuple(map(float, pair)) for pair in heard]
    assert times == sorted(times)
    for name in ("seed", "cold", "guided"):
        assert (
            audio[name].shape != audio["plain"].shape
            or (audio[name] != audio["plain"]).any()
        )


def test_errors_are_one_line(speak, tiny_codec_folder, tmp_path):
    out, prompt = tmp_path / "out.wav", tmp_path / "prompt.flac"
    before = prompt.read_bytes()
    assert "no English words" in complaint(speak("\U0001f600", out))
    assert "cannot speak" in complaint(
        speak("So", out, codec=tiny_codec_folder)
    )
    assert "top_p=2" in complaint(speak("So", out, "--top-p", 2))
    assert "nameless" in complaint(speak("So", tmp_path / "nameless"))
    assert "is the prompt" in complaint(speak("So", prompt))
    if Path("/proc/self").is_dir():  # where nobody can write, root neither
        assert "x.wav" in complaint(speak("So", "/proc/self/x.wav"))
    assert not out.exists() and prompt.read_bytes() == before


def test_options_without_effect_are_errors(tmp_path):
    """gogo-mini has no flow, and its own voice has its own text."""
    words = ["speak", "--text", "Hello.", "-o", str(tmp_path / "x.wav")]
    for options, error in {
        ("--steps", "4"): "'gogo-mini' has no num_steps: leave out --steps",
        ("--guidance", "1"): "no guidance_scale: leave out --guidance",
        ("--prompt-text", "So"): "--prompt-text is the text of --prompt",
    }.items():
        result = CliRunner().invoke(app, [*words, *options])
        assert error in complaint(result)


def test_demo_speaks(gogo, tmp_path):
    result = gogo("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    assert "speech.wav" in result.stdout.replace("\n", "")
    assert len(samples_of(tmp_path / "demo" / "speech.wav"))
    page = Page(tmp_path / "demo" / "index.html")
    assert not page.unlabelled and page.sources[-1] == "speech.wav"
    assert "speech in the voice of example.flac" in page.text


def test_demo_names_the_voice_of_the_model(
    gogo, prompt, tiny_speech_folder, tmp_path
):
    """Its own, if it comes with one, and not that of the first recording."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_speech_folder, folder)
    shutil.copy(prompt[1], folder)
    with open(folder / "speech.yaml", "a") as settings:
        settings.write("voice: {file: prompt.flac, text: The quick fox.}\n")
    result = gogo("demo", "--out", tmp_path / "demo", codec=folder)
    assert result.exit_code == 0, result.stderr
    text = Page(tmp_path / "demo" / "index.html").text
    assert "speech in the model's own voice" in text
    codec = GogoCodec.from_hparams(folder)
    weights = [*codec.codec.parameters(), *codec.vocoder.parameters()]
    millions = sum(weight.numel() for weight in weights) / 1e6
    assert f"{millions:.1f} million parameters" in text


def test_speech_in_every_format(speak, gogo, tmp_path, monkeypatch):
    """Speech, decoded audio and reconstructions have the same formats."""
    clip, tokens = tmp_path / "prompt.flac", tmp_path / "a.safetensors"
    assert gogo("encode", clip, tokens).exit_code == 0
    for suffix in FORMATS:
        said, decoded = tmp_path / f"said{suffix}", tmp_path / f"out{suffix}"
        result = speak("Hi.", said)
        assert result.exit_code == 0, result.stderr
        assert len(samples_of(said)) % 5120 == 0
        for words in (("decode", tokens), ("reconstruct", clip)):
            result = gogo(*words, decoded, "--steps", 1)
            assert result.exit_code == 0, result.stderr
            assert len(samples_of(decoded)) == 48000
    before, files = said.read_bytes(), sorted(tmp_path.iterdir())

    def full_disk(*_, **__):
        yield torch.zeros(24000)
        raise OSError("No space left on device")

    monkeypatch.setattr(GogoCodec, "decode_groups", full_disk)
    assert "No space" in complaint(speak("Hi.", said))
    assert said.read_bytes() == before and sorted(tmp_path.iterdir()) == files


def test_text_from_a_file_or_a_pipe(prompt, tiny_speech_folder, tmp_path):
    """In UTF-8 with or without byte order mark, or in UTF-16."""
    path, out = tmp_path / "text.txt", tmp_path / "out.wav"
    given = *prompt, "-o", out, "--steps", 1

    def run(*words, stdin=None):
        words = [*map(str, ("speak", *given, *words))]
        words += ["--codec", str(tiny_speech_folder)]
        return CliRunner().invoke(app, words, input=stdin)

    text = "Why not?\r\nSo."
    assert run("--text", text).exit_code == 0
    expected = samples_of(out)
    path.write_text(text, encoding="utf-8-sig", newline="")
    for words, encoding in (
        (("--text-file", path), "utf-8"),
        (("--text", "-"), "utf-16"),
        ((), "utf-8"),
    ):
        assert run(*words, stdin=text.encode(encoding)).exit_code == 0
        assert (samples_of(out) == expected).all()
    path.write_bytes(b"caf\xe9")
    assert "text.txt is no text in UTF-8" in complaint(run("--text-file", path))
    assert "Standard input has no text" in complaint(run(stdin=b" \n"))
    assert "give one" in complaint(run("--text", "So", "--text-file", path))
    missing = tmp_path / "missing.txt"
    assert "missing.txt" in complaint(run("--text-file", missing))


@pytest.mark.parametrize("name", ["socodec", "cofi"])
def test_socodec_and_cofi_speak(name, speak, request, tmp_path):
    folder = request.getfixturevalue(f"tiny_{name}_speech_folder")
    said, audio = ("The fox jumps.", tmp_path / "out.wav"), []
    for options in ((), ("--stream",)):
        result = speak(*said, *options, codec=folder)
        assert result.exit_code == 0, result.stderr
        wav, rate = soundfile.read(tmp_path / "out.wav")
        audio.append(wav)
    assert rate == 16000 and len(wav) % 1920 == 0 and np.ptp(wav) > 0
    np.testing.assert_allclose(*audio, atol=1e-4)
    token_rate = {"socodec": 4, "cofi": 28}[name] * 16000 / 1920
    assert f"{token_rate:.1f} tokens/s" in result.stdout.replace("\n", " ")
    assert "num_steps" in complaint(speak(*said, "--steps", 2, codec=folder))
