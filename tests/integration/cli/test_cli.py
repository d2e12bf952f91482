"""The `gogo` command and the demo's page, with a tiny codec."""

import re
import subprocess
import sys
import weakref
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.inference.demo import run
from speechbrain_gogo.inference.demo.run import EXAMPLE
from speechbrain_gogo.inference.files.tokens import load_tokens
from speechbrain_gogo.inference.loading.export import save_weights

GROUP = 5120


@pytest.fixture(scope="module")
def gogo(tiny_codec_folder):
    """Runs a command with the tiny codec; gives its result."""

    def run(*words, codec=tiny_codec_folder):
        words = [str(word) for word in words]
        return CliRunner().invoke(app, [*words, "--codec", str(codec)])

    return run


@pytest.fixture
def clip(tmp_path):
    """Two channels at another rate: one second at 16 kHz."""
    noise = np.random.default_rng(0).normal(size=(16000, 2))
    soundfile.write(tmp_path / "clip.flac", 0.1 * noise, 16000)
    return tmp_path / "clip.flac"


@pytest.fixture
def token_path(gogo, clip):
    path = clip.with_name("clip.safetensors")
    assert gogo("encode", clip, path).exit_code == 0
    return path


@pytest.fixture
def other_folder(tiny_codec_folder, tmp_path):
    """A codec like the tiny one, with other weights in its encoder."""
    from speechbrain_gogo.inference import GogoCodec

    folder = tmp_path / "other"
    folder.mkdir()
    for path in tiny_codec_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    codec = GogoCodec.from_hparams(folder).codec
    with torch.no_grad():
        next(codec.encoder.parameters()).mul_(2)
    save_weights(codec, folder / "codec.safetensors")
    return folder


def complaint(result):
    """The single line that a failed command leaves on stderr."""
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("gogo: ")
    return lines[0]


def samples_of(path):
    wav, rate = soundfile.read(path)
    assert rate == 24000 and wav.ndim == 1 and np.isfinite(wav).all()
    return wav


def test_help_imports_no_torch():
    code = (
        "import sys\nfrom speechbrain_gogo.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "assert not {'torch', 'speechbrain'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for command in ("encode", "decode", "reconstruct", "speak", "info", "demo"):
        assert command in done.stdout


def test_encode_decode_keep_and_seed(gogo, clip, token_path, tmp_path):
    found = load_tokens(token_path)
    assert found.tokens.shape == (5, 10) and found.num_samples == 24000

    audio = {}
    for name, options in {
        "all": [],
        "again": ["--keep", 10, "--seed", 0],
        "keep": ["--keep", 2],
        "seed": ["--seed", 7],
        "steps": ["--steps", 1, "--guidance", 0.5],
    }.items():
        path = tmp_path / f"{name}.wav"
        result = gogo("decode", token_path, path, *options)
        assert result.exit_code == 0, result.stderr
        audio[name] = samples_of(path)
        assert len(audio[name]) == 24000
    assert (audio["all"] == audio["again"]).all()
    for name in ("keep", "seed", "steps"):
        assert (audio[name] != audio["all"]).any(), name

    result = gogo("reconstruct", clip, tmp_path / "new" / "r.wav", "--keep", 2)
    assert result.exit_code == 0, result.stderr
    assert "9.4 tokens/s, 127.9 bit/s" in result.stdout
    assert (samples_of(tmp_path / "new" / "r.wav") == audio["keep"]).all()


def test_folder_with_a_broken_file(gogo, clip, tmp_path):
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    clip.rename(folder / "good.flac")
    (folder / "bad.wav").write_bytes(b"no audio at all")
    (folder / "notes.txt").write_text("skipped")
    result = gogo("encode", tmp_path / "in", tmp_path / "out")
    assert result.exit_code == 1
    assert load_tokens(tmp_path / "out/deep/good.safetensors").tokens.any()
    assert "bad.wav" in result.stderr and "1 of 2 files" in result.stderr
    assert "notes" not in result.output


def test_nothing_is_overwritten(gogo, clip, tmp_path):
    before = clip.read_bytes()
    assert "written over" in complaint(gogo("reconstruct", clip, clip))
    twin = clip.with_suffix(".wav")
    soundfile.write(twin, [0.0, 0.1], 24000)
    line = complaint(gogo("encode", clip, twin, tmp_path / "out"))
    assert "clip.safetensors" in line and "written over" in line
    assert clip.read_bytes() == before


def test_info(gogo, token_path, tiny_codec_folder, other_folder):
    codec = gogo("info", tiny_codec_folder)
    assert codec.exit_code == 0, codec.stderr
    for fact in ("213.3 ms", "10 per group", "46.9 tokens/s, 639.6 bit/s"):
        assert fact in codec.stdout
    tokens = gogo("info", token_path)
    assert tokens.exit_code == 0, tokens.stderr
    assert "5 groups of 10" in tokens.stdout and "1.00 s" in tokens.stdout
    fingerprint = re.search(r"fingerprint +(\w{16})\n", codec.stdout)[1]
    assert fingerprint in tokens.stdout
    assert re.search(r"speech +none", codec.stdout)
    speaker = gogo("info", codec="gogo-mini")
    assert re.search(r"speech +stage1 [\d.]+ M param", speaker.stdout)
    foreign = gogo("info", token_path, codec=other_folder)
    assert foreign.exit_code == 0 and "unknown" in foreign.stdout


def test_errors_are_one_line(gogo, clip, token_path, other_folder, tmp_path):
    out, tokens = tmp_path / "out.wav", tmp_path / "out.safetensors"
    line = complaint(gogo("encode", tmp_path / "none.wav", tokens))
    assert "none.wav" in line
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 24000)
    line = complaint(gogo("encode", tmp_path / "empty.wav", tokens))
    assert "empty.wav" in line
    for keep in (0, 11):
        line = complaint(gogo("decode", token_path, out, "--keep", keep))
        assert f"--keep {keep}" in line and "1..10" in line
    assert "--steps 0" in complaint(
        gogo("decode", token_path, out, "--steps", 0)
    )
    line = complaint(gogo("decode", token_path, out, codec=other_folder))
    ours = load_tokens(token_path)
    assert ours.codec in line and ours.fingerprint in line
    assert "'other'" in line
    assert "clip.flac" in complaint(gogo("decode", clip, out))
    nameless = tmp_path / "nameless"
    assert "nameless" in complaint(gogo("decode", token_path, nameless))
    below_file = clip / "below.wav"
    assert "clip.flac" in complaint(gogo("reconstruct", token_path, below_file))
    assert "nosuch" in complaint(gogo("info", "nosuch/"))
    assert "warp9" in complaint(
        gogo("decode", token_path, out, "--device", "warp9")
    )
    assert not out.exists() and not tokens.exists()


class Page(HTMLParser):
    """What a page refers to, and whether its parts are labelled."""

    def __init__(self, path):
        super().__init__()
        self.sources, self.unlabelled, self.text = [], [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert tag not in ("script", "link", "iframe")
        if "src" in attributes:
            self.sources.append(attributes["src"])
            if not attributes.get("alt") and not attributes.get("aria-label"):
                self.unlabelled.append(attributes["src"])

    def handle_data(self, data):
        self.text += data


def test_demo(gogo, clip, tmp_path, real_plots):
    hostile = clip.rename(clip.with_name("a <b> & c.flac"))
    folder = tmp_path / "demo"
    result = gogo("demo", "--wav", hostile, "--out", folder)
    assert result.exit_code == 0, result.stderr
    assert str(folder / "index.html") in result.stdout.replace("\n", "")
    page = Page(folder / "index.html")
    assert not page.unlabelled
    made = ["original.wav", "keep01.wav", "keep03.wav", "keep05.wav"]
    made += ["keep10.wav", "mels.png"]
    assert page.sources == made + [f"wav1_{name}" for name in made]
    for name in page.sources:
        assert (folder / name).stat().st_size > 1000
    for rate in ("64.0", "191.9", "319.8", "639.6"):
        assert rate in page.text and rate in result.stdout
    assert "a <b> & c.flac" in page.text
    for prefix, length in {
        "": soundfile.info(EXAMPLE).frames,
        "wav1_": 24000,
    }.items():
        for name in made[:-1]:
            assert len(samples_of(folder / f"{prefix}{name}")) == length


def test_keep_is_the_number_of_scales(gogo, clip, tiny_cofi_folder, tmp_path):
    """With a codec whose levels have several tokens per group."""
    path, told = tmp_path / "tokens.safetensors", []
    assert gogo("encode", clip, path, codec=tiny_cofi_folder).exit_code == 0
    for keep in (1, 2, 3):
        audio = []
        for words in (("decode", path), ("reconstruct", clip)):
            result = gogo(
                *words,
                tmp_path / "r.wav",
                "--keep",
                keep,
                codec=tiny_cofi_folder,
            )
            assert result.exit_code == 0, result.stderr
            audio.append(soundfile.read(tmp_path / "r.wav")[0])
        np.testing.assert_allclose(*audio, atol=1e-4)
        assert len(audio[0]) == 16000
        told.append(result.stdout.replace("\n", " "))
    for columns, line in zip((1, 4, 28), told):
        assert f"{columns * 16000 / 1920:.1f} tokens/s" in line
    result = gogo(
        "decode", path, tmp_path / "r.wav", "--keep", 4, codec=tiny_cofi_folder
    )
    assert "outside 1..3" in complaint(result)
    folder = tmp_path / "demo"
    result = gogo("demo", "--out", folder, codec=tiny_cofi_folder)
    assert result.exit_code == 0, result.stderr
    sources = Page(folder / "index.html").sources
    assert sources[1:3] == ["keep01.wav", "keep28.wav"]  # 1 and 3 scales


def test_demo_holds_one_piece_of_a_recording(tmp_path, monkeypatch):
    read = []

    def stream(path, rate):
        for _ in range(4):
            assert not any(piece() is not None for piece in read[:-1])
            wav = torch.zeros(rate)
            read.append(weakref.ref(wav))
            yield wav

    monkeypatch.setattr(run, "stream_audio", stream)
    codec = SimpleNamespace(sample_rate=24000)
    assert run.copy_original(codec, "a.wav", tmp_path, "").seconds == 4


def test_demo_with_a_bad_file(gogo, tmp_path):
    line = complaint(
        gogo("demo", "--wav", tmp_path / "no.wav", "--out", tmp_path / "demo")
    )
    assert "no.wav" in line
