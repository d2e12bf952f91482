"""Training of the codec: it learns, starts from weights, freezes, accumulates."""

import csv
from pathlib import Path

import pytest
import torch
from codec_recipe import TINY, arguments
from safetensors.torch import load_file

from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.plots import read_log


def test_learns(main, tiny_corpus, tmp_path):
    """Four clips, repeated, and two that cannot be used.

    At a learning rate that is stable in bf16 on all processors.
    """
    with open(tiny_corpus / "train.csv", newline="") as file:
        header, *rows = csv.reader(file)
    broken = tmp_path / "cut.wav"
    whole_file = Path(rows[0][2].replace("$data_root", str(tiny_corpus)))
    broken.write_bytes(whole_file.read_bytes()[:9000])
    listed = [[f"{r[0]}-{i}", *r[1:]] for i in range(20) for r in rows[:4]]
    listed += [["cut", 1.5, broken, 0, "a"], ["long", 99, broken, 0, "a"]]
    with open(tmp_path / "train.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *listed])
    with open(tmp_path / "more.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, rows[0]])
    main(
        arguments(
            tiny_corpus,
            tmp_path / "out",
            train_csv=tmp_path / "train.csv",
            more_train_csv=f"{{'{tmp_path}/more.csv': '{tiny_corpus}'}}",
            num_steps=110,
            batch_seconds=4,
            model=TINY["model"].replace("0.2", "1.0"),
            learning_rate=0.001,
            ckpt_interval_steps=0,
            num_samples=1,
            precision="bf16",
        )
    )
    told = (tmp_path / "out" / "log.txt").read_text()
    assert told.count("training precision: `--precision=bf16`") == 1
    assert "--precision=fp32`" not in told.replace("eval_precision", "")
    log = read_log(tmp_path / "out" / "progress.jsonl")
    losses = [row["cfm"] for row in log if row["stage"] == "train"]
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])
    said = (tmp_path / "out" / "train_log.txt").read_text()
    assert "read 83 clips = used 81 + skipped 2" in said
    assert "truncated audio: 1" in said and "not 1 to 20 s long: 1" in said
    written = {path.name for path in (tmp_path / "out").rglob("*")}
    assert {"curves.png", "codec.safetensors", "hyperparams.yaml"} <= written
    assert any(name.endswith("_keep10.wav") for name in written)


def test_starts_from_another_codec(main, tiny_corpus, tmp_path):
    """At learning rate 0 the weights are those of the initial codec."""
    once = {"num_steps": 1, "number_of_epochs": 1, "ckpt_interval_steps": 0}
    main(arguments(tiny_corpus, tmp_path / "first", **once))
    options = {"start_from": tmp_path / "first/export", "learning_rate": 0.0}
    main(arguments(tiny_corpus, tmp_path / "second", seed=5, **once, **options))
    first, second = (
        load_file(tmp_path / name / "export" / "codec.safetensors")
        for name in ("first", "second")
    )
    # Running statistics go on without a learning rate.
    weights = [x for x in first if not x.endswith((".mean", ".variance"))]
    assert all(torch.equal(first[name], second[name]) for name in weights)
    parts = {"start_parts": "[encoder, {places: places}]", "seed": 5}
    main(arguments(tiny_corpus, tmp_path / "part", **once, **options, **parts))
    part = load_file(tmp_path / "part" / "export" / "codec.safetensors")
    taken = {x for x in weights if torch.equal(first[x], part[x])}
    assert {x for x in weights if x.startswith("encoder.")} <= taken
    assert "places" in taken and "mask" not in taken
    assert "flow.backbone.project_x.weight" not in taken
    for parts, message in (
        ("[vocoder]", "start_parts: the codec has no vocoder; it has"),
        ("[{flow: encoder}]", "(?s)other sizes.*flow has the weights"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong = {**options, "start_parts": parts}
            main(arguments(tiny_corpus, tmp_path / "wrong", **wrong))
    options["model"] = TINY["model"].replace(
        "{dim", "{codec: {mel_std: 3}, dim"
    )
    with pytest.raises(ValueError, match="mel has the numbers .*mel_std"):
        main(arguments(tiny_corpus, tmp_path / "third", **options))
    options["model"] = TINY["model"].replace("{dim: 32", "{dim: 64")
    with pytest.raises(ValueError, match="(?s)other sizes.*mask.*--model"):
        main(arguments(tiny_corpus, tmp_path / "fourth", **options))


def test_frozen_parts_are_unchanged(main, tiny_corpus, tmp_path):
    """The others are trained; unknown parts are refused.

    Statistics of the quantizer are parts of it: tokens keep their meaning.
    """
    options = {"num_steps": 2, "number_of_epochs": 1, "warmup_steps": 0}
    options |= {"ckpt_interval_steps": 0, "learning_rate": 0.01}
    with pytest.raises(ValueError, match="codec has no decoder; it has"):
        main(arguments(tiny_corpus, tmp_path / "a", frozen="[decoder]"))
    options["frozen"] = "[encoder, quantizer]"
    main(arguments(tiny_corpus, tmp_path / "b", **options))
    main(arguments(tiny_corpus, tmp_path / "c", **{**options, "num_steps": 1}))
    longer, shorter = (
        load_file(tmp_path / name / "export" / "codec.safetensors")
        for name in ("b", "c")
    )
    moved = {k for k in longer if not torch.equal(longer[k], shorter[k])}
    assert any(name.startswith("flow") for name in moved)
    assert not any(name.startswith(("encoder", "quant")) for name in moved)


def test_checkpoints_are_between_updates(
    main, tiny_corpus, tmp_path, monkeypatch
):
    """Checkpoints do not contain accumulated gradients."""
    places = []

    def note(self):
        places.append(self.step)

    monkeypatch.setattr(CodecBrain, "_save_intra_epoch_ckpt", note)
    settings = {"grad_accumulation_factor": 2, "number_of_epochs": 1}
    main(arguments(tiny_corpus, tmp_path, **settings))
    assert places and all(step % 2 == 0 for step in places)
    settings["grad_accumulation_factor"] = 1000
    with pytest.raises(ValueError, match="an update takes 1000: make batches"):
        main(arguments(tiny_corpus, tmp_path / "b", **settings))
