"""Training data of the siblings' language models."""

import csv
from types import SimpleNamespace

import pytest

from recipes.common.training.codec_lm import dataio_prepare


def settings(corpus, folder, text_positions):
    """Clips of a corpus that say a letter each, but for one."""
    for stage in ("train", "valid"):
        with open(corpus / f"{stage}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["wrd"] = "a"
        rows[0]["wrd"] = "a zebra" if stage == "train" else "a"
        with open(folder / f"{stage}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return {
        "data_folder": corpus,
        "train_csv": folder / "train.csv",
        "more_train_csv": {},
        "valid_csv": folder / "valid.csv",
        "cache_folder": None,
        "min_seconds": 0.1,
        "max_seconds": 20.0,
        "num_workers": 0,
        "prefetch_batches": 1,
        "pin_memory": False,
        "batch_seconds": 10,
        "valid_batch_seconds": 10,
        "max_batch_clips": 4,
        "num_buckets": 2,
        "seed": 0,
        "language": "en",
        "codec": SimpleNamespace(sample_rate=24000),
        "tokenizer_file": folder / "text.model",
        "model": {
            "text_size": 60,
            "lm": SimpleNamespace(text_positions=text_positions),
        },
    }


def test_clips_with_too_many_text_tokens_are_skipped(tiny_corpus, tmp_path):
    whole, _, reports, _ = dataio_prepare(
        settings(tiny_corpus, tmp_path, text_positions=1000)
    )
    sizes = sorted(len(clip["text"]) for clip in whole["train"])
    assert reports["train"].skipped == {}
    longest = sizes[-1] - 1
    datasets, _, reports, _ = dataio_prepare(
        settings(tiny_corpus, tmp_path, longest)
    )
    left = sorted(len(clip["text"]) for clip in datasets["train"])
    assert left == [size for size in sizes if size <= longest]
    reason = f"text of more than {longest} tokens"
    assert reports["train"].skipped == {reason: len(sizes) - len(left)}
    assert reports["train"].used == len(left)
    with pytest.raises(ValueError, match="No train clip is left: read"):
        dataio_prepare(settings(tiny_corpus, tmp_path, 0))
