"""The vocoder recipe: it learns, resumes, and discriminators can join."""

import importlib.util
import json
from functools import partial
from pathlib import Path

import pytest
import soundfile
import torch
from command_lines import command_line
from interruptions import Stop, stop_at
from processes import run_ranks
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch
from vocos.discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
)

from recipes.common.settings import parse_arguments
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.brains.vocoder import VocoderBrain
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder

RECIPE = Path(__file__).parents[4] / "recipes/LibriTTS/vocoder"


@pytest.fixture
def data_folder(tmp_path):
    """Two clips of a gliding tone."""
    lines = ["ID,duration,wav,wrd"]
    time = torch.arange(16000) / 16000
    for place in range(2):
        tone = torch.sin(2 * torch.pi * (150 + place * 100 * time) * time)
        soundfile.write(tmp_path / f"{place}.wav", 0.3 * tone.numpy(), 16000)
        lines.append(f"clip{place},1.0,$data_root/{place}.wav,")
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def tiny(folder, **overrides):
    """What a small run changes in the YAML."""
    return {
        "data_folder": str(folder),
        "output_folder": str(folder / "out"),
        "train_csv": str(folder / "clips.csv"),
        "valid_csv": str(folder / "clips.csv"),
        "batch_size": 2,
        "valid_interval_minutes": 0,
        "num_workers": 0,
        "crop_seconds": 0.2,
        "valid_seconds": 0.4,
        "warmup_steps": 1,
        "learning_rate": 0.01,
        "ema_decay": 0.5,
        "precision": "fp32",
        "dim": 16,
        "intermediate_dim": 32,
        "num_layers": 1,
        **overrides,
    }


def load_recipe():
    spec = importlib.util.spec_from_file_location("t", RECIPE / "train.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    return recipe


def run(folder, device="cpu", out="out", **overrides):
    settings = tiny(folder, output_folder=str(folder / out), **overrides)
    yaml = RECIPE / "hparams/mini.yaml"
    given = parse_arguments([str(yaml)])
    hparams = given._replace(overrides=settings).load()
    hparams["discriminators"] = {
        "mpd": partial(MultiPeriodDiscriminator, periods=(11,)),
        "mrd": partial(MultiResolutionDiscriminator, fft_sizes=(256,)),
    }
    options = {"device": device, "noprogressbar": True}
    brain = load_recipe().train(hparams, options)
    log = (folder / out / "progress.jsonl").read_text().splitlines()
    return brain, [json.loads(line) for line in log]


def test_discriminators_join_after_a_start(data_folder, device):
    brain, log = run(data_folder, device, num_steps=12, adversarial_start=12)
    assert brain.optimizer_step == 12
    assert not brain.judges
    valid = [row["mel"] for row in log if row["stage"] == "valid"]
    assert valid[-1] < 0.8 * valid[0]
    for name in ("curves.png", "samples/12/clip0.wav", "export/config.yaml"):
        assert (data_folder / "out" / name).is_file()
    exported = VocosVocoder.from_source(data_folder / "out/export")
    averaged = brain.hparams.ema.module.state_dict()
    for name, weight in exported.state_dict().items():
        wanted = averaged[name].half().float().cpu()
        torch.testing.assert_close(weight, wanted)

    brain, log = run(data_folder, device, num_steps=14, adversarial_start=12)
    assert brain.optimizer_step == 14  # it went on where it had stopped
    rows = [row for row in log if row["stage"] == "train"]
    assert [row["step"] for row in rows] == list(range(1, 15))
    assert "mpd adversarial" in rows[-1]
    assert "mpd adversarial" not in rows[11]
    assert all(
        parameter in brain.judge_optimizer.state
        for judge in brain.judges.values()
        for parameter in judge.parameters()
    )


def test_other_batches_restart_the_epoch(data_folder, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_at(patch, VocoderBrain, [1])
        every = "_should_save_intra_epoch_ckpt"
        patch.setattr(VocoderBrain, every, lambda *since: True)
        run(data_folder, num_steps=4, batch_size=1)
    with pytest.raises(ValueError, match="clips in 2 batches.* clips in 1 bat"):
        run(data_folder, num_steps=4)
    brain, _ = run(data_folder, num_steps=4, resume_data="restart")
    assert brain.optimizer_step == 4


def test_starts_from_the_vocoder_of_a_codec(data_folder):
    """At learning rate 0, with discriminators, of which null leaves one out."""
    text = "\n".join(
        [
            f"base: !include:{RECIPE}/hparams/coded_adversarial_mini.yaml",
            "discriminators: {mrd: {fft_sizes: [256], channels: 2}}",
        ]
    )
    (data_folder / "tiny.yaml").write_text(text)
    sizes = {"dim": 192, "intermediate_dim": 576, "num_layers": 8}
    settings = tiny(data_folder, **sizes, learning_rate=0.0, num_steps=1)
    given = parse_arguments([str(data_folder / "tiny.yaml")])
    hparams = given._replace(overrides=settings).load()
    options = {"device": "cpu", "noprogressbar": True}
    brain = load_recipe().train(hparams, options)
    assert list(brain.judges) == ["mrd"]
    wanted = GogoCodec.from_hparams("gogo-mini").vocoder.state_dict()
    for name, weight in brain.hparams.vocoder.state_dict().items():
        torch.testing.assert_close(weight, wanted[name])


def test_validation_ignores_padding(data_folder):
    """Clips of 1 and 0.5 s, whole, whatever valid_seconds is."""
    soundfile.write(data_folder / "1.wav", 0.1 * torch.randn(8000), 16000)
    rows = (data_folder / "clips.csv").read_text()
    rows = rows.replace("clip1,1.0", "clip1,0.5")
    (data_folder / "clips.csv").write_text(rows)
    settings = {"num_steps": 1, "adversarial_start": 1}
    found = []
    for seconds in (1.024, 2.048):
        out = f"{seconds}"
        _, log = run(data_folder, out=out, valid_seconds=seconds, **settings)
        found.append(log[-1]["mel"])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "settings, error",
    [
        ({"start_from": "coded_by"}, "start_from.* 'dim': 192.* 'dim': 16"),
        ({"sample_rate": 16000}, "coded_by: gogo-mini has .*24000.*16000"),
        ({"coded_keeps": [3, 12]}, r"keeps=\[3, 12\].* from 1 to 10"),
    ],
)
def test_codecs_that_do_not_fit_are_errors(data_folder, settings, error):
    with pytest.raises(ValueError, match=error):
        run(data_folder, coded_by="gogo-mini", num_steps=1, **settings)


def test_training_on_coded_mels(data_folder, monkeypatch):
    """Draws are those of the update, and pictures have the mels of the audio."""
    shown = {}
    monkeypatch.setattr(
        "speechbrain_gogo.brains.vocoder.plot_mels",
        lambda mels, path, *_: shown.update({path.stem: mels}),
    )
    brain, _ = run(
        data_folder, coded_by="gogo-mini", num_steps=1, adversarial_start=1
    )
    path = data_folder / "out/samples/original/clip0.wav"
    wav = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    mel = brain.hparams.mel.codec.mel(wav[None])[0]
    difference = shown["clip0"]["original"] - mel  # the file has 16 bits
    assert difference.abs().mean() < 0.1

    clip = {"id": "a", "sig": 0.1 * torch.randn(20 * 256)}
    batch = PaddedBatch([clip, clip, clip])
    brain.modules.vocoder = torch.nn.Identity()
    brain.on_stage_start(Stage.TRAIN)

    def mels(update, seed):
        brain.optimizer_step = update
        torch.manual_seed(seed)  # another one after a resume
        return brain.compute_forward(batch, Stage.TRAIN)

    assert torch.equal(mels(3, seed=0), mels(3, seed=1))
    assert not torch.equal(mels(3, seed=0), mels(4, seed=0))


@pytest.mark.long
def test_two_processes(data_folder):
    """Both validate; resuming within an epoch needs as many processes."""
    settings = tiny(
        data_folder,
        skip_prep=True,
        device="cpu",
        distributed_backend="gloo",
        batch_size=1,
        num_steps=3,
        adversarial_start=2,
    )
    (data_folder / "tiny.yaml").write_text(
        f"base: !include:{RECIPE}/hparams/mini.yaml\n"
        "discriminators: {mpd: {periods: [11]}, mrd: {fft_sizes: [256]}}\n"
    )
    clips = data_folder / "clips.csv"
    header, *rows = clips.read_text().splitlines()
    rows += [row.replace("clip", "again") for row in rows]
    clips.write_text("\n".join([header, *rows]) + "\n")
    line = command_line(data_folder / "tiny.yaml", settings)
    run_ranks(RECIPE / "train.py", line, data_folder / "printed.txt")
    out = data_folder / "out"
    log = read_log(out / "progress.jsonl")
    assert [row["stage"] for row in log] == ["train", "valid"] * 2
    assert "mpd adversarial" in log[-2]
    assert (out / "export/vocoder.safetensors").is_file()
    for path in (out / "save").glob("*/CKPT.yaml"):
        text = path.read_text()
        path.write_text(text.replace("epoch: true", "epoch: false"))
    with pytest.raises(ValueError, match="processes: 2, and there are 1 now"):
        run(data_folder, num_steps=3, adversarial_start=3)
