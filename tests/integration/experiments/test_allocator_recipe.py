"""The allocator recipes: the policy learns, the codec does not, stops cost nothing.

Every run is the recipe itself with the tiny codec on a few clips.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from processes import run_ranks

from recipes.common.settings import compose
from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.allocator.ablations import enumerated_grpo
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPES = {
    name: REPOSITORY / "recipes" / name / "allocator"
    for name in ("LibriTTS", "Emilia")
}
SCRIPT = RECIPES["LibriTTS"] / "train.py"
TINY = {
    "model": "{in_dim: 32, dim: 32, num_heads: 2, ffn_dim: 64}",
    "device": "cpu",
    "skip_prep": True,
    "cache_folder": "null",
    "num_workers": 0,
    "number_of_epochs": 2,
    "warmup_steps": 2,
    "batch_seconds": 8,
    "num_buckets": 2,
    "log_interval": 1,
    "vocoder": "null",
    "flow_steps": 1,
    "ckpt_interval_minutes": 0,
}


def arguments(codec, data_folder, output_folder, **overrides):
    """The recipe's command line."""
    settings = {
        "source": codec,
        "data_folder": data_folder,
        "train_csv": data_folder / "train.csv",
        "valid_csv": data_folder / "valid.csv",
        "output_folder": output_folder,
        **TINY,
        **overrides,
    }
    yaml = SCRIPT.parent / "hparams" / "mini.yaml"
    options = [str(x) for k, v in settings.items() for x in (f"--{k}", v)]
    return [str(yaml), *options, "--noprogressbar"]


@pytest.fixture(scope="module")
def main():
    """The recipe's main function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        yield runpy.run_path(str(SCRIPT))["main"]
    sys.modules.pop("allocator_experiment", None)


@pytest.fixture
def half_silent(tmp_path):
    """Clips of six busy groups and six silent ones each."""
    random = np.random.default_rng(0)
    rows = ["ID,duration,wav,wrd"]
    for place in range(3):
        noise = 0.2 * random.normal(size=6 * 5120)
        quiet = 1e-5 * random.normal(size=6 * 5120)
        wav = np.concatenate([noise, quiet])
        soundfile.write(tmp_path / f"{place}.wav", wav, 24000)
        rows.append(f"{place},2.56,$data_root/{place}.wav,a")
    (tmp_path / "valid.csv").write_text("\n".join(rows) + "\n")
    rows += [f"{row[0]}/{i}{row[1:]}" for row in rows[1:] for i in range(30)]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def wants(busy, quiet):
    """Rewards for which loud groups need so many tokens, quiet ones others."""

    def reward(self, wavs, wav_lens, generator=None):
        groups, lens = self.codec.group(wavs, wav_lens)
        loud = groups.mean((-2, -1)) > -1  # [B, N]
        best = torch.where(loud, busy, quiet).unsqueeze(-1)
        rewards = -(self.budgets - best).abs().float()  # [B, N, G]
        q, _, _ = self.codec.quantize_batch(groups, lens)
        costs = rewards + self.token_weight * self.budgets
        return rewards, -costs / self.distance_weight, q, lens

    return reward


@pytest.mark.parametrize("ablation", ["", "sampled", "dpo"])
def test_finds_the_oracle(
    main, tiny_codec_folder, half_silent, monkeypatch, ablation
):
    """The policy sees backbones alone, and learns who needs what."""
    monkeypatch.setattr(ReconstructionReward, "forward", wants(9, 4))
    path = SCRIPT.parent / "hparams" / "table9" / f"{ablation}.yaml"
    main(
        arguments(
            tiny_codec_folder,
            half_silent,
            half_silent / "out",
            number_of_epochs=1,
            learning_rate=0.01,
            **({"ablation": path} if ablation else {}),
        )
    )
    log = read_log(half_silent / "out" / "progress.jsonl")
    policy, oracle, uniform = log[-3:]
    stages = [row["stage"] for row in log[-3:]]
    assert stages == ["valid", "valid, oracle", "valid, uniform"]
    assert oracle["reward"] == 0 and uniform["reward"] < -2
    assert log[0]["reward"] < -1
    assert policy["reward"] > -0.1
    assert policy["tokens/s"] == pytest.approx(oracle["tokens/s"], abs=0.5)
    codec = GogoCodec.from_hparams(half_silent / "out" / "export")
    tokens = codec.encode_file(half_silent / "0.wav").unsqueeze(0)
    budgets = codec.allocate(tokens)[0]
    assert budgets[6:].max() < budgets[:5].min()


def test_only_the_policy_learns(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch, real_plots
):
    """With the vocoder in the loop, and the codec in place of its export."""
    brains, start = [], AllocatorBrain.on_fit_start

    def note(self):
        start(self)
        weights = self.modules.allocator.state_dict()
        brains.append((self, {k: v.clone() for k, v in weights.items()}))

    monkeypatch.setattr(AllocatorBrain, "on_fit_start", note)
    monkeypatch.setitem(TINY, "vocoder", "!ref <codec.vocoder>")
    settings = {"number_of_epochs": 1}
    main(arguments(tiny_codec_folder, tiny_corpus, tmp_path, **settings))
    ((brain, before),) = brains
    after = brain.modules.allocator.state_dict()
    assert not torch.equal(
        before["classifier.weight"], after["classifier.weight"]
    )
    trained, fresh = (
        brain.hparams.codec,
        GogoCodec.from_hparams(tiny_codec_folder),
    )
    assert brain.hparams.reward.vocoder is trained.vocoder
    assert not any(p.requires_grad for p in trained.parameters())
    for key, value in fresh.state_dict().items():
        assert torch.equal(trained.state_dict()[key], value), key
    assert (tmp_path / "curves.png").stat().st_size > 1000
    said = (tmp_path / "train_log.txt").read_text()
    assert "oracle reward" in said and "read 12 clips = used 12" in said


class Stop(Exception):
    """Power is gone."""


def test_stops_leave_no_trace(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch
):
    """In the middle of an epoch, twice, with a random objective."""
    settings = {
        "ckpt_interval_steps": 1,
        "ablation": SCRIPT.parent / "hparams" / "table9" / "sampled.yaml",
    }
    main(arguments(tiny_codec_folder, tiny_corpus, tmp_path / "a", **settings))
    save, stops = AllocatorBrain._save_intra_epoch_ckpt, [1, 3]

    def save_and_stop(self):
        save(self)
        if self.optimizer_step in stops[:1]:
            raise Stop

    monkeypatch.setattr(AllocatorBrain, "_save_intra_epoch_ckpt", save_and_stop)
    line = arguments(tiny_codec_folder, tiny_corpus, tmp_path / "b", **settings)
    while stops:
        with pytest.raises(Stop):
            main(line)
        stops.pop(0)
    main(line)
    logs = [read_log(tmp_path / x / "progress.jsonl") for x in "ab"]
    assert logs[0] == logs[1] and len(logs[0]) > 10
    exported = [
        (tmp_path / x / "export" / "allocator.safetensors").read_bytes()
        for x in "ab"
    ]
    assert exported[0] == exported[1]
    # It has learned from other rewards: nothing to go on from.
    with pytest.raises(ValueError, match="learned from a codec.*/b/save to"):
        main([*line, "--token_weight", "9"])


def test_learns_from_what_another_run_has_scored(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch
):
    """With other weights, and no decode but those of validation."""
    main(arguments(tiny_codec_folder, tiny_corpus, tmp_path / "a"))
    score, scored = AllocatorBrain.score, []

    def note(self, batch, draws):
        scored.extend(batch.id)
        return score(self, batch, draws)

    monkeypatch.setattr(AllocatorBrain, "score", note)
    settings = {"token_weight": 0.0, "replay_groups": 16, "num_steps": 15}
    settings["scored"] = tmp_path / "a" / "save"
    line = arguments(tiny_codec_folder, tiny_corpus, tmp_path / "b", **settings)
    main(line)
    log = read_log(tmp_path / "b" / "progress.jsonl")
    log = [row for row in log if row["stage"] == "train"]
    assert [row["step"] for row in log] == list(range(1, 16))
    valid = (tiny_corpus / "valid.csv").read_text().splitlines()[1:]
    stages = [row["stage"] for row in read_log(tmp_path / "b/progress.jsonl")]
    assert stages.count("valid") > 1  # but decoded once
    assert sorted(scored) == sorted(line.split(",")[0] for line in valid)
    said = (tmp_path / "b" / "train_log.txt").read_text()
    assert "groups that" in said
    settings["flow_steps"] = 2
    with pytest.raises(ValueError, match="scored by another codec"):
        main(
            arguments(
                tiny_codec_folder, tiny_corpus, tmp_path / "c", **settings
            )
        )


def test_misfit_codec_is_refused(
    main, tiny_codec_folder, tiny_corpus, tmp_path
):
    with pytest.raises(ValueError, match="'in_dim': 64.*'in_dim': 32"):
        model = "{in_dim: 64, dim: 32, num_heads: 2}"
        main(arguments(tiny_codec_folder, tiny_corpus, tmp_path, model=model))


@pytest.mark.parametrize("dataset", RECIPES)
def test_two_processes(dataset, tiny_codec_folder, tiny_corpus, tmp_path):
    settings = {"distributed_backend": "gloo"}
    if dataset == "LibriTTS":
        data = {"number_of_epochs": 1, "batch_seconds": 4}
        line = arguments(
            tiny_codec_folder, tiny_corpus, tmp_path, **settings, **data
        )
    else:
        samples = REPOSITORY / "tests" / "samples" / "emilia"
        settings |= {
            **TINY,
            "source": tiny_codec_folder,
            "data_folder": samples,
            "valid_shards": samples / "EN-B000002.tar",
            "output_folder": tmp_path,
            "precision": "fp32",
            "number_of_epochs": 1,
            "epoch_batches": 2,
            "valid_batches": 1,
            "num_steps": 2,
            "batch_seconds": 3,
        }
        for key in ("skip_prep", "cache_folder", "num_buckets"):
            del settings[key]
        line = [RECIPES[dataset] / "hparams" / "train.yaml", "--noprogressbar"]
        line += [x for k, v in settings.items() for x in (f"--{k}", v)]
    script = RECIPES[dataset] / "train.py"
    run_ranks(script, line, tmp_path / "printed.txt")
    rows = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["stage"] == "valid, oracle"
    assert "allocator" in GogoCodec.from_hparams(tmp_path / "export").mods
    for path in (tmp_path / "save").glob("*/replay_buffer.ckpt"):
        (one, _), (other, _) = torch.load(path)  # each rank has its own
        assert len(one) and len(other) and not torch.equal(one, other)


TABLE9 = sorted((RECIPES["LibriTTS"] / "hparams" / "table9").glob("*.yaml"))


@pytest.mark.parametrize("path", TABLE9, ids=lambda path: path.stem)
def test_lines_of_table_9(path):
    """Each file changes the objective or the weights, and says who it is."""
    with open(path) as stream:
        lines = load_hyperpyyaml(stream)
    assert lines.pop("variant") == path.stem
    for dataset in RECIPES:
        for main in (RECIPES[dataset] / "hparams").glob("*.yaml"):
            assert set(lines) <= set(compose(main))
    if path.stem.startswith("weights"):
        weights = lines["token_weight"], lines["distance_weight"]
        assert path.stem == "weights_{}_{}".format(*weights)
    else:
        objective = lines.get("objective", enumerated_grpo)
        settings = lines.get("objective_options", {})
        logits, draws = torch.zeros(2, 8), torch.Generator().manual_seed(0)
        loss = objective(logits, torch.rand(2, 8), draws, **settings)
        assert loss.isfinite()
