"""The recipe of Table 2: perplexities, and the comparison of systems."""

import csv
import json
import math
import runpy
import sys
from pathlib import Path

import pytest
import torch
from command_lines import command_line

from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import claim_folder
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.shards import (
    TokenRow,
    save_shard,
    shard_path,
)
from speechbrain_gogo.inference import GogoCodec

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "recipes" / "LibriTTS" / "perplexity" / "train.py"
TINY = {
    "device": "cpu",
    "precision": "fp32",
    "num_workers": 0,
    "skip_prep": True,
    "lm": "{dim: 16, num_layers: 1, num_heads: 2, ffn_dim: 32}",
    "num_steps": 4,
    "warmup_steps": 1,
    "number_of_epochs": 2,
    "batch_seconds": 16,
    "log_interval": 1,
    "ckpt_interval_minutes": 0,
}


@pytest.fixture(scope="module")
def recipe():
    """The names of the recipe's script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        yield runpy.run_path(str(SCRIPT))
    for name in ("table2",):
        sys.modules.pop(name, None)


def arguments(codec, corpus, output_folder, **overrides):
    """The recipe's command line."""
    settings = {
        "source": codec,
        "data_folder": corpus,
        "train_csv": corpus / "train.csv",
        "valid_csv": corpus / "valid.csv",
        "test_csv": corpus / "valid.csv",
        "output_folder": output_folder,
        **TINY,
        **overrides,
    }
    yaml = SCRIPT.parent / "hparams" / "mini.yaml"
    return command_line(yaml, settings)


@pytest.mark.long
def test_table_of_two_systems(
    recipe, tiny_codec_folder, tiny_corpus, tmp_path, real_plots
):
    """The second of three positions; run again, it only measures again."""
    line = tiny_codec_folder, tiny_corpus, tmp_path / "a"
    names = {"system": "ten", "num_codebooks": 3}
    recipe["main"](arguments(*line, **names))
    log = read_log(tmp_path / "a" / "progress.jsonl")
    assert {"perplexity 1", "perplexity 3"} <= set(log[-1])
    first = (tmp_path / "a" / "perplexity.csv").read_bytes()
    recipe["main"](arguments(*line, **names))
    assert read_log(tmp_path / "a" / "progress.jsonl") == log
    assert (tmp_path / "a" / "perplexity.csv").read_bytes() == first

    line = tiny_codec_folder, tiny_corpus, tmp_path / "b"
    names = {"system": "one", "num_codebooks": 1, "compare": [tmp_path / "a"]}
    names["tokens_folder"] = tmp_path / "a" / "tokens"
    names["compare"] = f"['{tmp_path}/a']"
    recipe["main"](arguments(*line, **names))
    table = (tmp_path / "b" / "table.md").read_text().splitlines()
    assert [row.split("|")[1].strip() for row in table[2:6]] == [
        "ten",
        "one",
        "ten, without context",
        "one, without context",
    ]
    assert table[3].count("| - ") == 2 and "14.1" in table[2]
    assert (tmp_path / "b" / "perplexity.png").stat().st_size > 1000
    with open(tmp_path / "a" / "perplexity.csv", newline="") as file:
        clips = list(csv.DictReader(file))
    with open(tmp_path / "b" / "table.csv", newline="") as file:
        found = next(r for r in csv.DictReader(file) if r["position"] == "2")
    nll = sum(float(row["nll 2"]) for row in clips)
    mean = nll / sum(int(row["groups"]) for row in clips)
    assert math.isclose(
        float(found["perplexity"]), math.exp(mean), rel_tol=1e-4
    )
    assert float(found["low"]) <= float(found["perplexity"])


def test_other_test_clips_are_refused(recipe, tmp_path):
    compare = sys.modules["table2"].compare
    for name, clip in (("a", "x"), ("b", "y")):
        (tmp_path / name).mkdir()
        about = {"system": name, "positions": 1, "test": "test.csv"}
        (tmp_path / name / "perplexity.json").write_text(json.dumps(about))
        rows = "ID,groups,nll 1,unigram 1\n" + f"{clip},3,2.0,2.5\n"
        (tmp_path / name / "perplexity.csv").write_text(rows)
    settings = {"output_folder": tmp_path / "b", "bootstrap_seed": 0}
    with pytest.raises(ValueError, match="different test clips"):
        compare({**settings, "compare": [tmp_path / "a"]})
    with pytest.raises(ValueError, match="no training has ended"):
        compare({**settings, "compare": [tmp_path]})


def count_up(folder, codec, clips, seed):
    """A corpus whose first column counts up from anywhere, modulo 10.

    The second one is drawn.
    """
    random = torch.Generator().manual_seed(seed)
    header = {
        "codec": codec.name,
        "fingerprint": codec.fingerprint,
        "num_codebooks": 10,
        "vocab_size": 12800,
        "group_rate": codec.group_rate,
        "num_shards": 1,
        "source": {},
    }
    claim_folder(folder, header)
    rows = []
    for name in range(clips):
        tokens = torch.randint(10, (30, 10), generator=random)
        tokens[:, 0] = (tokens[0, 0] + torch.arange(30)) % 10
        rows.append(TokenRow(f"{name}", "", "", tokens))
    report = ClipReport(used=clips)
    save_shard(shard_path(folder, 0), rows, header, report)
    return TokenDataset(folder, math.inf)


def test_perplexity_of_predictable_tokens(
    recipe, tiny_codec_folder, tmp_path, monkeypatch
):
    """Nearly 1 for determined tokens, 10 for uniformly random ones."""
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    datasets = {
        stage: count_up(tmp_path / stage, codec, clips, clips)
        for stage, clips in (("train", 200), ("valid", 20), ("test", 21))
    }
    for data in datasets.values():
        data.lengths = [30] * len(data)
    monkeypatch.setitem(
        recipe["token_datasets"].__globals__,
        "tokenized_dataset",
        lambda hparams, stage: datasets[stage],
    )
    line = arguments(
        tiny_codec_folder,
        tmp_path,
        tmp_path / "out",
        num_codebooks=2,
        lm="{codebook_size: 10, dim: 16, num_layers: 1, num_heads: 2}",
        num_steps=60,
        number_of_epochs=4,
        learning_rate=0.02,
        batch_seconds=80,
        ckpt_interval_steps=0,
    )
    recipe["main"](line)
    with open(tmp_path / "out" / "table.csv", newline="") as file:
        first, second = csv.DictReader(file)
    # The first of 30 is anybody's guess: 10 ** (1 / 30) is 1.08.
    assert 1.07 < float(first["perplexity"]) < 1.2
    assert 9.5 < float(second["perplexity"]) < 11.5
    for row in (first, second):
        assert 9.9 < float(row["without context"]) < 10.1
