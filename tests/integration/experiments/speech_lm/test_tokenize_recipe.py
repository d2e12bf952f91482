"""Tokenising a corpus: killed in the middle, completed by two processes."""

from pathlib import Path

import pytest
from processes import kill_with, run_ranks, run_torchrun, start_process

from speechbrain_gogo.dataio.tokens.corpus import open_corpus

REPOSITORY = Path(__file__).resolve().parents[4]
RECIPE = REPOSITORY / "recipes" / "LibriTTS" / "speech_lm"


def arguments(corpus, codec, folder):
    """The recipe's command line; its clips are a shard each."""
    settings = {
        "data_folder": corpus,
        "train_csv": corpus / "train.csv",
        "valid_csv": corpus / "valid.csv",
        "skip_prep": True,
        "codec": codec,
        "clips": "{clips_per_shard: 1}",
        "num_workers": 0,
        "output_folder": folder,
        "device": "cpu",
        "distributed_backend": "gloo",
    }
    options = [x for k, v in settings.items() for x in (f"--{k}", v)]
    return ["hparams/tokenize.yaml", *options]


def rows(folder):
    """All rows of a corpus, by their ids."""
    _, shards = open_corpus(folder)
    found = [shard[place] for shard in shards for place in range(len(shard))]
    assert len({row.id for row in found}) == len(found)
    return {row.id: row for row in found}


@pytest.mark.parametrize(
    "launch", [run_ranks, pytest.param(run_torchrun, marks=pytest.mark.long)]
)
def test_killed_tokenising_is_completed(
    launch, tiny_corpus, tiny_codec_folder, tiny_tokens, tmp_path
):
    line = arguments(tiny_corpus, tiny_codec_folder, tmp_path / "out")
    given = RECIPE / "tokenize_corpus.py", line, tmp_path / "printed.txt"
    first = tmp_path / "out" / "train" / "000000.safetensors"
    made = kill_with(first, start_process(*given), given[-1])

    launch(*given)
    output = (tmp_path / "printed.txt").read_text()
    assert first.stat().st_mtime_ns == made
    for stage, number in (("train", 12), ("valid", 4)):
        report = (tmp_path / "out" / stage / "report.txt").read_text()
        counts = f"read {number} clips = used {number} + skipped 0 (none)"
        assert counts in report and f"{stage}: {counts}" in output
        found, expected = (
            rows(tmp_path / "out" / stage),
            rows(tiny_tokens / stage),
        )
        assert found.keys() == expected.keys()
        for name, row in found.items():
            assert row.tokens.equal(expected[name].tokens)
            assert row.speaker == expected[name].speaker
        assert not list((tmp_path / "out" / stage).glob("partial-*"))
