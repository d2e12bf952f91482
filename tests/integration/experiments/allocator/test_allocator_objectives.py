"""The objectives of Table 9: each finds the best budgets of a known reward."""

import numpy as np
import pytest
import soundfile
import torch
from allocator_recipe import RECIPES, SCRIPT, arguments
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.allocator.ablations import enumerated_grpo
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward


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
def test_policy_learns_the_oracle_budgets(
    main, tiny_codec_folder, half_silent, monkeypatch, ablation
):
    """The policy learns the best budgets from the backbones."""
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


TABLE9 = sorted((RECIPES["LibriTTS"] / "hparams" / "table9").glob("*.yaml"))


@pytest.mark.parametrize("path", TABLE9, ids=lambda path: path.stem)
def test_yamls_of_table_9(path):
    """Each file changes the objective or the weights, and is named accordingly."""
    with open(path) as stream:
        lines = load_hyperpyyaml(stream)
    assert lines.pop("variant") == path.stem
    if path.stem.startswith("weights"):
        weights = lines["token_weight"], lines["distance_weight"]
        assert path.stem == "weights_{}_{}".format(*weights)
    else:
        objective = lines.get("objective", enumerated_grpo)
        settings = lines.get("objective_options", {})
        logits, draws = torch.zeros(2, 8), torch.Generator().manual_seed(0)
        loss = objective(logits, torch.rand(2, 8), draws, **settings)
        assert loss.isfinite()
