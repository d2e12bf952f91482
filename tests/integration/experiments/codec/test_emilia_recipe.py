"""The Emilia recipe on two processes, stopped and resumed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from processes import run_ranks

REPOSITORY = Path(__file__).resolve().parents[4]
RECIPE = REPOSITORY / "recipes" / "Emilia" / "codec"
SAMPLES = REPOSITORY / "tests" / "samples" / "emilia"  # synthetic tones


def train(output_folder, epochs):
    """Run the recipe by two ranks; its log rows and its last summary."""
    settings = {
        "data_folder": SAMPLES,
        "valid_shards": SAMPLES / "EN-B000002.tar",
        "output_folder": output_folder,
        "model": "{dim: 32, text_vocab: 40, encoder: {stem_layers: 1, "
        "num_layers: 1, ffn_dim: 64}, backbone: {num_layers: 1}, "
        "asr_head: {num_layers: 1, ffn_dim: 64}, ar_prior: {ffn_dim: 64}}",
        "number_of_epochs": epochs,
        "epoch_batches": 2,
        "valid_batches": 1,
        "num_steps": 4,
        "warmup_steps": 0,
        "log_interval": 1,
        "batch_seconds": 3,
        "num_samples": 1,
        "num_workers": 1,
        "device": "cpu",
        "precision": "fp32",
        "distributed_backend": "gloo",
    }
    options = [str(s) for k, v in settings.items() for s in (f"--{k}", v)]
    line = ["hparams/mini.yaml", *options]
    run_ranks(RECIPE / "train.py", line, output_folder.with_suffix(".txt"))
    log = (output_folder / "progress.jsonl").read_text().splitlines()
    summary = (output_folder / "train_log.txt").read_text().splitlines()[-1]
    return [json.loads(row) for row in log], summary


@pytest.mark.long
def test_two_ranks_resume(tmp_path):
    whole, summary = train(tmp_path / "whole", epochs=2)
    losses = [row["loss"] for row in whole if row["stage"] == "train"]
    assert len(losses) == 4 and len(set(losses)) == 4
    assert np.isfinite(losses).all()

    train(tmp_path / "stopped", epochs=1)
    resumed, same_summary = train(tmp_path / "stopped", epochs=2)
    again = [row["loss"] for row in resumed if row["stage"] == "train"]
    assert again == pytest.approx(losses, abs=1e-4)
    assert same_summary == summary

    assert (tmp_path / "stopped" / "export" / "codec.safetensors").is_file()
    counts = [int(number) for number in re.findall(r"\d+", summary)]
    read, used, skipped, language = counts
    assert read == used + skipped and skipped == language == 2
    saved = (tmp_path / "stopped").glob("save/*/dataloader-TRAIN.ckpt")
    state = max(saved, key=lambda path: path.parent.name)  # the last one
    ranks = json.loads(state.read_text())["ranks"]
    assert len(ranks) == 2
    assert sum(rank["report"]["used"] for rank in ranks) == used
