"""Tokenising a corpus: killed in the middle, completed by two processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

from speechbrain_gogo.dataio.tokens.corpus import open_corpus

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = REPOSITORY / "recipes" / "LibriTTS" / "speech_lm"


def start(launcher, corpus, codec, folder):
    """Start the recipe; its clips are a shard each."""
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
    options = [str(s) for k, v in settings.items() for s in (f"--{k}", v)]
    python_path = f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"
    return subprocess.Popen(
        [sys.executable, *launcher, "tokenize_corpus.py"]
        + ["hparams/tokenize.yaml", *options],
        cwd=RECIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": python_path},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    )


def rows(folder):
    """All rows of a corpus, by their ids."""
    _, shards = open_corpus(folder)
    found = [shard[place] for shard in shards for place in range(len(shard))]
    assert len({row.id for row in found}) == len(found)
    return {row.id: row for row in found}


def test_a_killed_run_is_completed(
    tiny_corpus, tiny_codec_folder, tiny_tokens, tmp_path
):
    run = start([], tiny_corpus, tiny_codec_folder, tmp_path)
    first = tmp_path / "train" / "000000.safetensors"
    while not first.is_file() and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    output = run.communicate()[0]
    assert first.is_file(), output
    made = first.stat().st_mtime_ns

    torchrun = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    launcher = ["-m", *torchrun]
    run = start(launcher, tiny_corpus, tiny_codec_folder, tmp_path)
    output = run.communicate(timeout=600)[0]
    assert run.returncode == 0, output
    assert first.stat().st_mtime_ns == made
    for stage, number in (("train", 12), ("valid", 4)):
        report = (tmp_path / stage / "report.txt").read_text()
        counts = f"read {number} clips = used {number} + skipped 0 (none)"
        assert counts in report and f"{stage}: {counts}" in output
        found, expected = rows(tmp_path / stage), rows(tiny_tokens / stage)
        assert found.keys() == expected.keys()
        for name, row in found.items():
            assert row.tokens.equal(expected[name].tokens)
            assert row.speaker == expected[name].speaker
        assert not list((tmp_path / stage).glob("partial-*"))
