"""Training of the allocator: what is updated, resuming, two processes."""

import json

import pytest
import torch
from allocator_recipe import RECIPES, REPOSITORY, SCRIPT, TINY, arguments
from command_lines import command_line
from interruptions import resume_until_done, stop_at
from processes import run_ranks

from speechbrain_gogo.brains.allocator import AllocatorBrain
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.inference import GogoCodec


def test_only_the_policy_is_updated(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch, real_plots
):
    """With the vocoder in the reward; the codec's weights stay."""
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


def test_resuming_equals_an_uninterrupted_run(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch
):
    """Stopped twice within an epoch, with sampled choices."""
    settings = {
        "ckpt_interval_steps": 1,
        "ablation": SCRIPT.parent / "hparams" / "table9" / "sampled.yaml",
    }
    main(arguments(tiny_codec_folder, tiny_corpus, tmp_path / "a", **settings))
    stop_at(monkeypatch, AllocatorBrain, stops := [1, 3])
    line = arguments(tiny_codec_folder, tiny_corpus, tmp_path / "b", **settings)
    resume_until_done(main, line, stops)
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


def test_learns_from_rewards_of_another_run(
    main, tiny_codec_folder, tiny_corpus, tmp_path, monkeypatch
):
    """With other weights; only validation decodes."""
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


def test_codec_of_other_sizes_is_refused(
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
        yaml = RECIPES[dataset] / "hparams" / "train.yaml"
        line = command_line(yaml, settings)
    script = RECIPES[dataset] / "train.py"
    run_ranks(script, line, tmp_path / "printed.txt")
    rows = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["stage"] == "valid, oracle"
    assert "allocator" in GogoCodec.from_hparams(tmp_path / "export").mods
    for path in (tmp_path / "save").glob("*/replay_buffer.ckpt"):
        (one, _), (other, _) = torch.load(path)  # each rank has its own
        assert len(one) and len(other) and not torch.equal(one, other)
