"""`gogo push`: a pushed model is loaded by name and revision."""

import shutil

import huggingface_hub
import pytest
import torch
from fake_hub import FakeHub
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.inference import GogoCodec, GogoSpeech, SoCodec
from speechbrain_gogo.inference.publishing.push import push_model

NAME = "somebody/gogo"
ROWS = """{"step": 10, "stage": "train", "loss": 2.5}
{"step": 20, "stage": "valid", "mel error keep 10": 0.51234}
{"step": 20, "sta"""


@pytest.fixture
def hub(monkeypatch):
    """A hub of this machine alone, with its client's settings."""
    hub = FakeHub()
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # Large files by Git LFS: hf_xet has a protocol of its own.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield hub
    hub.shutdown()


@pytest.fixture
def run_folder(tiny_codec_folder, tmp_path):
    """The output folder of a training that was cut while it wrote its log."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_codec_folder, folder / "export")
    (folder / "save").mkdir()
    (folder / "save" / "brain.ckpt").write_bytes(b"a pickle")
    (folder / "export" / "notes.txt").write_text("private")
    (folder / "hyperparams.yaml").write_text("output_folder: /home/me\n")
    (folder / "progress.jsonl").write_text(ROWS)
    (folder / "train_log.txt").write_text(
        "training data: read 3 clips = used 2 + skipped 1 (too short: 1)\n"
    )
    return folder


def push(folder, hub, **options):
    return push_model(
        folder, NAME, token=hub.token, endpoint=hub.url, **options
    )


def fetched(hub, kind=GogoCodec, **options):
    """The model that the hub has, by its client and its cache."""
    return kind.from_hparams(NAME, endpoint=hub.url, **options)


def test_pushed_codec_loads_by_revision(
    hub, run_folder, tiny_codec_folder, tmp_path
):
    table = tmp_path / "evaluation" / "table.md"
    table.parent.mkdir()
    table.write_text("| system | STOI |\n| --- | ---: |\n| keep 10 | 0.77 |\n")
    push(run_folder, hub, revision="v1", evaluation=table.parent)
    files, _ = hub.files(NAME)
    assert set(files) == {
        ".gitattributes",
        "README.md",
        "codec.safetensors",
        "hyperparams.yaml",
    }
    card = files["README.md"].decode()
    assert card.startswith("---\n") and "license: apache-2.0\n" in card
    assert "pipeline_tag: audio-to-audio" in card
    assert "20 updates" in card and "| mel error keep 10 | 0.5123 |" in card
    assert "used 2 + skipped 1" in card and "| keep 10 | 0.77 |" in card
    assert f'from_hparams("{NAME}", revision="v1")' in card

    # A second version replaces the files of the first, which stays as it was.
    weights = run_folder / "export" / "codec.safetensors"
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    with torch.no_grad():
        next(codec.codec.encoder.parameters()).mul_(2)
    from speechbrain_gogo.inference.loading.export import save_weights

    save_weights(codec.codec, weights)
    push(run_folder, hub)
    old = fetched(hub, savedir=tmp_path / "v1", revision="v1")
    new = fetched(hub, savedir=tmp_path / "main")
    assert old.name == NAME
    tiny = GogoCodec.from_hparams(tiny_codec_folder)
    assert old.fingerprint == tiny.fingerprint != new.fingerprint
    with pytest.raises(ValueError, match="has a version v1 already"):
        push(run_folder, hub, revision="v1")


def test_pushed_speech_model_loads(hub, tiny_speech_folder, tmp_path):
    made = push(tiny_speech_folder, hub, licence="cc-by-4.0", private=True)
    assert "pipeline_tag: text-to-speech" in made.card
    assert "license: cc-by-4.0" in made.card and "GogoSpeech" in made.card
    assert "stage2/model.safetensors" in made.files
    assert hub.repos[NAME]["private"]
    speech = fetched(hub, GogoSpeech, savedir=tmp_path / "saved")
    prompt = 0.1 * torch.randn(24000)
    said = speech.clone_voice("why", prompt, "so", seed=1)
    here = GogoSpeech.from_hparams(tiny_speech_folder)
    assert said.tokens.equal(
        here.clone_voice("why", prompt, "so", seed=1).tokens
    )


def test_pushed_socodec_loads_with_its_ssl_network(
    hub, tiny_socodec_folder, tmp_path
):
    """The self-supervised network of a SoCodec, without its language model."""
    folder = shutil.copytree(tiny_socodec_folder, tmp_path / "socodec")
    path = folder / "hyperparams.yaml"
    (line,) = [x for x in path.read_text().splitlines() if ": /" in x]
    with pytest.raises(ValueError, match="is a path of this machine"):
        push(folder, hub)
    assert not hub.requests
    shutil.copytree(line.partition("source: ")[2], folder / "ssl")
    name = line.partition("/")[0] + "ssl"
    path.write_text(path.read_text().replace(line, name))
    push(folder, hub)
    found = fetched(hub, SoCodec, savedir=tmp_path / "saved")
    assert found.fingerprint == SoCodec.from_hparams(folder).fingerprint


def test_existing_model_card_is_kept(tiny_codec_folder, tmp_path):
    folder = shutil.copytree(tiny_codec_folder, tmp_path / "mine")
    head = "---\nlicense: mit\ndatasets:\n- me/speech\n---\n"
    (folder / "README.md").write_text(f"{head}\n# Mine\n\nMade by me.\n")
    made = push_model(folder, NAME, dry_run=True)
    assert "license: mit" in made.card and "me/speech" in made.card
    assert "library_name: speechbrain" in made.card
    assert made.card.endswith("# Mine\n\nMade by me.\n")


def test_dry_run_needs_no_network(run_folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a request")

    monkeypatch.setattr("socket.socket.connect", refuse)
    words = ["push", str(run_folder), NAME, "--dry-run", "--language", "fr"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "language: fr" in done.output and "codec.safetensors" in done.output
    assert f"The model would be at https://huggingface.co/{NAME}" in done.output


def test_invalid_pushes_are_refused(hub, run_folder, tmp_path):
    for folder, name, message in (
        (tmp_path, NAME, "holds no model"),
        (run_folder, "gogo", "owner/name"),
        (run_folder, "a b/c", "no id of the hub"),
    ):
        with pytest.raises(ValueError, match=message):
            push_model(folder, name, dry_run=True)
    hub.token = "another"
    with pytest.raises(ValueError, match="did not take .*401.* Log in"):
        push_model(run_folder, NAME, token="mine", endpoint=hub.url)
    path = run_folder / "export" / "hyperparams.yaml"
    path.write_text(path.read_text() + "when: !apply:time.time []\n")
    with pytest.raises(ValueError, match="would run"):
        push_model(run_folder, NAME, dry_run=True)
