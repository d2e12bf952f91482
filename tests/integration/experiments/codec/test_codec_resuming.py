"""A training of the codec that is stopped gives the results of one that is not."""

import re
import resource
import signal

import pytest
import torch
from codec_recipe import SCRIPT, arguments, summaries
from interruptions import Stop, resume_until_done, stop_at
from processes import start_process

from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.plots import read_log


@pytest.fixture(scope="module")
def whole(main, order, tiny_corpus, tmp_path_factory):
    """A run without trouble: its log, summaries, and order of clips."""
    folder = tmp_path_factory.mktemp("whole")
    main(arguments(tiny_corpus, folder))
    result = read_log(folder / "progress.jsonl"), summaries(folder), dict(order)
    order.clear()
    return result


def checkpoints(folder):
    return sorted(path.name for path in (folder / "save").iterdir())


def test_resuming_equals_an_uninterrupted_run(
    main, order, whole, tiny_corpus, tmp_path
):
    """Stopped twice within an epoch, at its last batch, and after its validation."""
    log, said, seen = whole
    batches = len(seen) // 2  # of an epoch
    assert batches >= 3 and seen[0] != seen[batches]
    validate = CodecBrain._fit_valid
    stops = [1, 2, batches, "validation", batches + 1]

    def validate_and_stop(self, *args, **kwargs):
        validate(self, *args, **kwargs)
        if stops[:1] == ["validation"]:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, CodecBrain, stops)
        patch.setattr(CodecBrain, "_fit_valid", validate_and_stop)
        line = arguments(tiny_corpus, tmp_path, num_workers=1)
        resume_until_done(main, line, stops)
    assert order == seen
    assert read_log(tmp_path / "progress.jsonl") == log
    assert summaries(tmp_path) == said


def test_validation_interval(main, order, tiny_corpus, tmp_path):
    """After the first and the last epoch, also in a resumed run."""
    settings = {"number_of_epochs": 3, "ckpt_interval_steps": 0}
    settings["valid_interval_minutes"] = 1000
    main(arguments(tiny_corpus, tmp_path / "a", **settings))
    seen, said = dict(order), summaries(tmp_path / "a")
    log = read_log(tmp_path / "a" / "progress.jsonl")
    steps = [row["step"] for row in log if row["stage"] == "valid"]
    assert steps == [len(seen) // 3, len(seen)] and len(said) == 2
    order.clear()
    validate = CodecBrain._fit_valid

    def stop(self, valid_set, epoch, enable):
        if epoch == 2:
            raise Stop
        validate(self, valid_set, epoch, enable)

    line = arguments(tiny_corpus, tmp_path / "b", **settings)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(CodecBrain, "_fit_valid", stop)
        main(line)
    main(line)
    assert order == seen
    again = read_log(tmp_path / "b" / "progress.jsonl")
    rows = [[r for r in x if r["stage"] == "train"] for x in (log, again)]
    assert rows[0] == rows[1] and again[-1] == log[-1]
    order.clear()


KILLED_WHILE_SAVING = """
import os, runpy, signal, sys, torch
save, calls = torch.save, 0
def save_half(state, path):
    global calls
    calls += "/save/" in str(path)  # not those of the path alone
    save(state, path)
    if calls == 10:  # the averaged weights of the third checkpoint
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = save_half
_, script, *sys.argv[1:] = sys.argv
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
"""


def test_kill_and_full_disk_while_saving(
    main, order, whole, tiny_corpus, tmp_path, monkeypatch
):
    killer, printed = tmp_path / "killer.py", tmp_path / "printed.txt"
    killer.write_text(KILLED_WHILE_SAVING)
    line = arguments(tiny_corpus, tmp_path)
    killed = start_process(killer, [SCRIPT, *line], printed)
    killed.join(600)
    assert killed.exitcode == -signal.SIGKILL, printed.read_text()
    kept, lost = checkpoints(tmp_path)
    assert kept.startswith("CKPT+") and lost.startswith("partial-CKPT+")

    save = torch.save

    def save_to_full_disk(state, path):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            save(state, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_to_full_disk)
        with pytest.raises(OSError, match=re.escape(kept)):
            main(line)
    assert kept in checkpoints(tmp_path)
    main(line)
    log, said, seen = whole
    assert read_log(tmp_path / "progress.jsonl") == log
    assert summaries(tmp_path) == said
    order.clear()
