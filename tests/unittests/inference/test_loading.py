"""Loading of models: trusted code, and files that do not match."""

import re
import shutil

import pytest
import torch
from safetensors.torch import load, load_file, save_file

from speechbrain_gogo.inference import (
    GogoCodec,
    GogoSpeech,
    GogoTokenizer,
    open_codec,
)
from speechbrain_gogo.inference.exporting.folder import load as load_to_export
from speechbrain_gogo.inference.files.tokens import save_tokens
from speechbrain_gogo.inference.loading.export import (
    export_codec,
    save_weights,
)
from speechbrain_gogo.inference.loading.pretrained import (
    check_trust,
    find_source,
)
from speechbrain_gogo.lobes.nn.int8 import Int8Linear
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
from speechbrain_gogo.lobes.vocoder.vocos_files import write_vocos


@pytest.fixture
def folder(tiny_codec_folder, tmp_path):
    return shutil.copytree(tiny_codec_folder, tmp_path / "codec")


def test_exported_files_have_default_permissions(
    tiny_speech_folder, tiny_tokens, tmp_path
):
    """The permissions of any new file, not those of a temporary one."""
    tokens = save_tokens(
        tmp_path / "x.gogo", torch.ones(2, 10).long(), 9000, "", "tiny"
    )
    tokens.with_suffix(".txt").write_text("")
    usual = tokens.with_suffix(".txt").stat().st_mode
    for folder in (tiny_speech_folder, tiny_tokens, tmp_path):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files and {path.stat().st_mode for path in files} == {usual}


@pytest.mark.parametrize(
    "line",
    [
        "!apply:os.system [echo]",
        "!apply:torch.hub.load [a, b]",
        "!new:subprocess.Popen",
        "!new:torch.utils.cpp_extension.subprocess.Popen",
        "!name:torch.os.system",
        "!new:torch.no_such_class",
        "!new:torch.cuda.memory.CUDAPluggableAllocator",
        "!new:torch.distributed.elastic.multiprocessing.subprocess_handler"
        ".subprocess_handler.SubprocessHandler",
        "!new:speechbrain.integrations.huggingface.mert.MERT",
        "!new:speechbrain_gogo.metrics.utmos.UTMOS",
        "!new:transformers.AutoModel",
        "!module:os",
        "!include:other.yaml",
        "!!python/object/apply:os.system [echo]",
    ],
)
def test_foreign_code_is_refused(tmp_path, line):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(f"a: 1\nb:\n    - {line}\n")
    with pytest.raises(ValueError, match="line 3"):
        check_trust(path)


def test_known_classes_are_trusted(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(
        "a: !new:torch.nn.Linear\n    in_features: 1\n    out_features: 2\n"
        "b: !ref <a>\nc: !new:speechbrain_gogo.lobes.gogo.mel.VocosMel\n"
        "d: !new:transformers.LlamaConfig\n"
        "e: !name:speechbrain.nnet.linear.Linear\n"
        "f: !name:vocos.heads.ISTFTHead\n"
        "g: !new:speechbrain.lobes.features.Fbank\n"
    )
    check_trust(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "- a\n- list\n",
        lambda text: text[: len(text) // 2] + "[",
        lambda text: text + "\n---\na: 1\n",
        lambda text: text.replace("n_mels:", "n_melodies:", 1),
        lambda text: text.replace("modules:", "models:"),
        lambda text: text + "\nmodules: [1, 2]\n",
        lambda text: text + "\nwindow_groups: &a [*a]\n",
        lambda text: text + "\nfew: !ref <nowhere>\n",
    ],
)
def test_errors_of_damaged_folders_name_the_file(folder, damage):
    path = folder / "hyperparams.yaml"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ValueError, match=r"hyperparams\.yaml"):
        GogoCodec.from_hparams(folder)


def test_trust_source(folder):
    path = folder / "hyperparams.yaml"
    path.write_text(path.read_text() + "when: !apply:time.time []\n")
    with pytest.raises(ValueError, match="trust_source=True"):
        GogoCodec.from_hparams(folder)
    assert GogoCodec.from_hparams(folder, trust_source=True).hparams.when > 0


def test_options_of_codecs_from_the_hub(folder, monkeypatch):
    def download(source, revision=None, **patterns):
        assert {"steps", "weights"}.isdisjoint(patterns)
        return folder

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    options = {"steps": 3, "weights": "auto", "revision": "v1"}
    tokenizer = GogoTokenizer("somebody/gogo", **options)
    for codec in (open_codec("somebody/gogo", **options), tokenizer.codec):
        assert codec.codec.flow.num_steps == 3


@pytest.mark.parametrize(
    "load", [open_codec, GogoTokenizer, GogoSpeech.from_hparams]
)
def test_unknown_options_are_errors(tiny_speech_folder, load):
    with pytest.raises(ValueError, match="argument 'num_codebook'"):
        load(tiny_speech_folder, num_codebook=3)


def test_savedir_of_another_model_is_refused(tmp_path, monkeypatch):
    """Also if the hub cannot be reached."""
    saved = tmp_path / "saved"

    def download(source, local_dir, **options):
        saved.mkdir(exist_ok=True)
        (saved / "hyperparams.yaml").touch()
        return local_dir

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    for _ in range(2):
        assert find_source("somebody/gogo", saved) == saved
    for source, options in (
        ("somebody/gigi", {}),
        ("somebody/gogo", {"revision": "v2"}),
    ):
        with pytest.raises(ValueError, match="model .somebody/gogo main"):
            find_source(source, saved, **options)
    (saved / "source.txt").unlink()
    with pytest.raises(ValueError, match="unknown"):
        find_source("somebody/gogo", saved)


def test_complete_savedir_is_used_offline_and_read_only(
    tmp_path, folder, monkeypatch
):
    saved, asked = tmp_path / "saved", []

    def download(source, local_dir, **options):
        asked.append(source)
        shutil.copytree(folder, local_dir, dirs_exist_ok=True)
        return local_dir

    def offline(*args, **options):
        raise ConnectionError("no network")

    def denied(*args, **options):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    for empty in (None, tmp_path / "empty"):  # nothing to fall back to
        with pytest.raises(ValueError, match="ConnectionError.*Bundled models"):
            GogoCodec.from_hparams("somebody/gogo", empty)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    GogoCodec.from_hparams("somebody/gogo", saved)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    monkeypatch.setattr("pathlib.Path.write_text", denied)
    monkeypatch.setattr("pathlib.Path.mkdir", denied)
    codec = GogoCodec.from_hparams("somebody/gogo", saved)
    assert asked == ["somebody/gogo"] and codec.num_codebooks == 10
    with pytest.raises(ValueError, match="cannot be written to"):
        find_source("somebody/gogo", tmp_path / "new")


def test_incomplete_savedir_is_completed(tmp_path, folder, monkeypatch):
    """Without a record of being complete: the hub is asked for the rest."""
    saved = shutil.copytree(folder, tmp_path / "saved")
    (saved / "source.txt").write_text("somebody/gogo main")

    def returns(*args, local_dir, **options):  # as the hub's client, offline
        return local_dir

    def offline(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    GogoCodec.from_hparams("somebody/gogo", saved)
    (saved / "codec.safetensors").unlink()
    with pytest.raises(ValueError, match="No weights at .* was cut off"):
        GogoCodec.from_hparams("somebody/gogo", saved)
    monkeypatch.setattr("huggingface_hub.snapshot_download", returns)
    (saved / "hyperparams.yaml").unlink()
    with pytest.raises(ValueError, match="no hyperparams.yaml came"):
        GogoCodec.from_hparams("somebody/gogo", saved)


def test_pickled_weights_are_not_read(folder):
    weights = folder / "codec.safetensors"
    torch.save(load_file(str(weights)), folder / "codec.ckpt")
    weights.unlink()
    with pytest.raises(ValueError, match="Only safetensors"):
        GogoCodec.from_hparams(folder)
    shutil.move(folder / "codec.ckpt", weights)
    with pytest.raises(ValueError, match="no safetensors"):
        GogoCodec.from_hparams(folder)


def test_wrong_weights_are_listed(folder):
    path = folder / "codec.safetensors"
    weights = load(path.read_bytes())
    weights["stranger"] = torch.zeros(1)
    del weights["mask"]
    weights["places"] = torch.zeros(3, 3)
    save_file(weights, str(path))
    with pytest.raises(ValueError) as error:
        GogoCodec.from_hparams(folder)
    message = str(error.value)
    assert "missing mask" in message and "unexpected stranger" in message
    assert "places is [3, 3]" in message


def test_unknown_source(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="no hyperparams.yaml"):
        GogoCodec.from_hparams(tmp_path)
    with pytest.raises(ValueError, match="No model 'no such/model'"):
        GogoCodec.from_hparams("no such/model")
    for source in (None, "", 3):
        with pytest.raises(ValueError, match="give a bundled name"):
            GogoCodec.from_hparams(source)


def test_large_values_are_saved_in_float32(tmp_path):
    module = torch.nn.Linear(2, 2)
    module.register_buffer("variance", torch.tensor([1e8, 1.0]))
    save_weights(module, tmp_path / "weights.safetensors")
    found = load_file(tmp_path / "weights.safetensors")
    assert torch.equal(found["variance"], module.variance)
    assert found["weight"].dtype == torch.float16


def test_export_contains_the_vocoder(tiny_yaml, tiny_codec, tmp_path):
    """With sizes and weights, so that loading needs neither folder nor hub."""
    write_vocos(VocosVocoder(100, 16, 32, 2), tmp_path / "vocos")
    vocoder = VocosVocoder.from_source(tmp_path / "vocos")
    folder = export_codec(
        tmp_path / "codec",
        tiny_yaml,  # whose own vocoder is another one
        tiny_codec,
        vocoder,
        window_groups=94,
        overlap_groups=5,
    )
    shutil.rmtree(tmp_path / "vocos")
    found = GogoCodec.from_hparams(folder).vocoder
    assert isinstance(found, VocosVocoder)
    mel = torch.randn(1, 20, 100)
    torch.testing.assert_close(found(mel), vocoder(mel))


def test_a_model_in_8_bits_is_exported_in_float(tiny_speech_folder, tmp_path):
    folder = shutil.copytree(tiny_speech_folder, tmp_path / "model")
    path = folder / "speech.yaml"
    path.write_text(re.sub("weights: .*", "weights: int8", path.read_text()))
    speaking = GogoSpeech.from_hparams(folder).codec
    exported, stages = load_to_export(folder, trust_source=False)
    kinds = [set(map(type, c.codec.modules())) for c in (speaking, exported)]
    assert Int8Linear in kinds[0] and Int8Linear not in kinds[1]
    assert stages and exported.fingerprint == speaking.fingerprint
    assert exported.name == speaking.name
