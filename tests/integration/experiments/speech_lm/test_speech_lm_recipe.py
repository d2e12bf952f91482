"""The recipes of both GogoSpeech stages: they learn, and they resume.

Every run is the recipe itself on a dozen tokenised clips with a tiny model.
"""

import re
import runpy
from pathlib import Path

import pytest
import speechbrain as sb
import torch
from command_lines import command_line
from interruptions import Stop, resume_until_done, stop_at
from processes import run_ranks
from transformers import LlamaForCausalLM

from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.brains.speech_lm import SpeechLMBrain
from speechbrain_gogo.dataio.tokens.corpus import claim_folder, open_corpus
from speechbrain_gogo.dataio.tokens.shards import save_shard, shard_path
from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.loading.export_speech import export_speech

REPOSITORY = Path(__file__).resolve().parents[4]
SCRIPT = REPOSITORY / "recipes" / "LibriTTS" / "speech_lm" / "train.py"
POSITIONS = {"stage1": ["1", "2", "3", "end"], "stage2": [*"456789", "10"]}
TINY = {
    "device": "cpu",
    "precision": "fp32",
    "num_workers": 0,
    "num_steps": 20,
    "number_of_epochs": 2,
    "warmup_steps": 2,
    "batch_clips": 3,
    "batch_positions": 4096,
    "bucket_positions": 1000,
    "log_interval": 1,
    "num_samples": 0,
    "ckpt_interval_minutes": 0,
    "ckpt_interval_steps": 1,
}


@pytest.fixture
def arguments(tiny_tokens, tiny_codec_folder):
    """Makes the recipe's command line."""

    def line(stage, output_folder, **overrides):
        llama = f"llama{stage[-1]}: {{num_layers: 2, num_heads: 2}}"
        settings = {
            "train_tokens": tiny_tokens / "train",
            "valid_tokens": tiny_tokens / "valid",
            "codec": tiny_codec_folder,
            "output_folder": output_folder,
            "model": f"{{dim: 64, text_size: 60, {llama}}}",
            **TINY,
            **overrides,
        }
        yaml = SCRIPT.parent / "hparams" / f"mini_{stage}.yaml"
        return command_line(yaml, settings)

    line.codec = tiny_codec_folder
    return line


@pytest.fixture(scope="module")
def main():
    """What the recipe's script does with its arguments."""
    script = runpy.run_path(str(SCRIPT))
    return lambda line: script["train_stage"](*script["start"](SCRIPT, line))


@pytest.fixture
def order(monkeypatch):
    """Which clips each update saw, as {update: ids}."""
    seen, forward = {}, SpeechLMBrain.compute_forward

    def note(self, batch, stage):
        if stage == sb.Stage.TRAIN:
            seen[self.optimizer_step] = tuple(batch.id)
        return forward(self, batch, stage)

    monkeypatch.setattr(SpeechLMBrain, "compute_forward", note)
    return seen


def two_clips(tokens, folder, times):
    """A corpus of two clips, so many times under other names."""
    header, (shard,) = open_corpus(tokens)
    claim_folder(folder, header)
    rows = [
        shard[place]._replace(id=f"{place} {again}")
        for again in range(times)
        for place in (0, 1)
    ]
    save_shard(shard_path(folder, 0), rows, header, shard.report)
    return folder


@pytest.mark.parametrize("stage", POSITIONS)
def test_training_on_two_clips(
    main, arguments, tiny_tokens, tmp_path, stage, request
):
    """The clips are overfitted; all output files exist.

    Every clip has its text, by which Stage I distinguishes the two.
    """
    draws = {"textless_share": 0.0} if stage == "stage1" else {}
    once, often = (
        two_clips(tiny_tokens / "train", tmp_path / f"{times}", times)
        for times in (1, 30)
    )
    folder = tmp_path / "out"
    main(
        arguments(
            stage,
            folder,
            train_tokens=often,
            valid_tokens=once,
            batch_clips=2,
            number_of_epochs=6,  # with 4, some seeds have not learned it all
            num_steps="null",  # what the epochs have
            learning_rate=0.004,
            num_samples=1,
            ckpt_interval_steps=0,
            **draws,
        )
    )
    log = read_log(folder / "progress.jsonl")
    first, last = log[0], log[-1]
    assert first["loss"] > 4 and last["stage"] == "valid"
    assert last["step"] == 6 * 30 and last["loss"] < 0.1
    positions = {k.split()[1] for k in last if k.startswith("perplexity")}
    assert positions == set(POSITIONS[stage])
    rates = [row["learning rate"] for row in log if row["stage"] == "train"]
    assert max(rates) > 0.0035 and rates[-1] == 0
    written = {path.name for path in folder.rglob("*")}
    plots = {"curves.png", "perplexities.png"}
    assert {*plots, "0 0.wav", "0 0.png"} <= written
    exported = {path.name for path in (folder / "export").iterdir()}
    assert {"config.json", "model.safetensors"} <= exported
    assert ("text.model" in exported) == (stage == "stage1")
    again = {"start_from": folder / "export", "learning_rate": 0.0}
    clips = {"train_tokens": once, "valid_tokens": once, "num_steps": 1}
    request.getfixturevalue("real_plots")
    main(arguments(stage, tmp_path / "again", **clips, **again))
    assert all((tmp_path / "again" / x).stat().st_size > 1000 for x in plots)
    assert read_log(tmp_path / "again" / "progress.jsonl")[-1]["loss"] < 0.12


def test_aligned_stage_trains_its_aligner_first(
    main, arguments, tiny_tokens, tmp_path, real_plots
):
    """The only stage of a model, of all ten tokens, which reads phones."""
    folder, batches = tmp_path / "out", 6
    yaml = str(SCRIPT.parent / "hparams" / "aligned_stage1.yaml")
    (tmp_path / "words.dict").write_text("maybe M EY1 B IY0\n")
    settings = {
        "model": f"{{dim: 32, text_size: 60, stage1: {{num_layers: 1, "
        f"aligner_batches: {batches}, aligner_dim: 32}}}}",
        "num_steps": 2 * batches,
        "number_of_epochs": 10,
        "num_samples": 1,
        "ckpt_interval_steps": 0,
    }
    phones = {**settings, "text_tokenizer": tmp_path / "words.dict"}
    main([yaml, *arguments("stage1", folder, **phones)[1:]])
    log = read_log(folder / "progress.jsonl")
    log = [row for row in log if row["stage"] == "train"]
    alone = [row for row in log if "aligner" in row]
    assert [row["step"] for row in alone] == [*range(1, batches + 1)]
    assert not any("loss" in row for row in alone)
    levels = [f"perplexity {k + 1}" for k in range(10)]
    for row in log[batches:]:
        assert {*levels, "loss", "perplexity duration"} <= row.keys()
    bundle = export_speech(
        tmp_path / "all", arguments.codec, folder / "export", None
    )
    speech = GogoSpeech.from_hparams(bundle, run_opts={"device": "cpu"})
    prompt = 0.1 * torch.randn(1, 24000)
    said = speech.clone_voice("So be it.", prompt, "No.", seed=1)
    assert len(said.tokens) and said.tokens.shape[1] == 10

    # Another training learns letters instead, and keeps the rest.
    settings |= {"start_from": folder / "export", "new_text": True}
    settings |= {"num_steps": batches + 2, "num_samples": 0}
    letters = tmp_path / "letters"
    main([yaml, *arguments("stage1", letters, **settings)[1:]])
    found = {path.name for path in (letters / "export").iterdir()}
    assert "text.model" in found and "phones.txt" not in found
    log = read_log(letters / "progress.jsonl")
    assert sum("aligner" in row for row in log) == batches
    settings["num_steps"] = batches
    with pytest.raises(ValueError, match="alone for 6 updates, and num_steps"):
        main([yaml, *arguments("stage1", tmp_path / "few", **settings)[1:]])
    with pytest.raises(ValueError, match="a BackboneLM cannot learn text anew"):
        del settings["model"]
        main(arguments("stage1", tmp_path / "plain", **settings))


def test_stage_for_other_tokens_is_refused(main, arguments, tmp_path):
    """Before the first update."""
    for stage, model, told in (
        ("stage1", "{codebook_size: 1024}", "codebook_size 1024, .* 12800"),
        ("stage1", "{backbone_size: 11}", "speaks 11 tokens .* corpora have"),
        ("stage2", "{num_tokens: 8}", "num_tokens 8, the corpora hold 10"),
    ):
        with pytest.raises(ValueError, match=told):
            main(arguments(stage, tmp_path, model=model))
    with pytest.raises(ValueError, match="new_codec .* give start_from"):
        main(arguments("stage2", tmp_path, new_codec=True))


@pytest.mark.parametrize("stage", POSITIONS)
def test_resuming_equals_an_uninterrupted_run(
    main, arguments, order, tmp_path, monkeypatch, stage
):
    """In the middle of an epoch, and at its last batch."""
    draws = {"textless_share": 0.5} if stage == "stage1" else {}
    main(arguments(stage, tmp_path / "whole", **draws))
    seen, log = dict(order), read_log(tmp_path / "whole" / "progress.jsonl")
    assert len(seen) == 8 and sorted(sum(seen.values(), ())) == sorted(
        2 * sum((seen[step] for step in range(4)), ())
    )
    assert seen[0] != seen[4]
    order.clear()

    stop_at(monkeypatch, SpeechLMBrain, stops := [2, 4, 7])
    again = arguments(stage, tmp_path / "again", **draws)
    resume_until_done(main, again, stops)
    assert order == seen
    assert read_log(tmp_path / "again" / "progress.jsonl") == log

    for path in (tmp_path / "again" / "save").glob("*/CKPT.yaml"):
        path.write_text(re.sub("codec: .*", "codec: another", path.read_text()))
    with pytest.raises(ValueError, match="from a codec with fingerprint anoth"):
        main(again)


def test_other_batches_restart_the_epoch(
    main, arguments, order, tmp_path, monkeypatch
):
    """If requested; otherwise they are refused."""
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_at(patch, SpeechLMBrain, [2])
        main(arguments("stage2", tmp_path))
    order.clear()
    with pytest.raises(ValueError, match="12 clips in 4 batches.* 12 clips in"):
        main(arguments("stage2", tmp_path, batch_clips=2))
    with pytest.raises(ValueError, match="resume_data='never'"):
        main(arguments("stage2", tmp_path, resume_data="never"))
    assert not order
    main(arguments("stage2", tmp_path, batch_clips=2, resume_data="restart"))
    assert min(order) == 2 and len(order) == 12  # two epochs of six
    assert len(set(sum((order[step] for step in range(2, 8)), ()))) == 12


@pytest.mark.parametrize(
    "lora",
    ["{}", pytest.param("{r: 2, lora_alpha: 4}", marks=pytest.mark.long)],
)
def test_options_that_save_memory(main, arguments, tmp_path, lora):
    """All options together; the export is a plain Llama."""
    pytest.importorskip("peft")
    options = {"weights": "bfloat16", "adamw": "master", "lora": lora}
    main(arguments("stage2", tmp_path, gradient_checkpointing=True, **options))
    log = read_log(tmp_path / "progress.jsonl")
    assert log[-1]["loss"] < log[0]["loss"]
    llama = LlamaForCausalLM.from_pretrained(tmp_path / "export")
    assert not [name for name in llama.state_dict() if "lora" in name]


@pytest.mark.long
def test_two_processes(arguments, tmp_path):
    """Each on its half of the batches, the schedule counted in epochs.

    And each with its half of the weights; test_sharding.py has whole ones, too.
    """
    settings = {"distributed_backend": "gloo", "num_steps": "null"}
    settings |= {"shard_weights": True, "num_samples": 1}
    line = arguments("stage1", tmp_path, **settings)
    run_ranks(SCRIPT, line, tmp_path / "printed.txt")
    log = read_log(tmp_path / "progress.jsonl")
    assert [row["step"] for row in log] == [1, 2, 2, 3, 4, 4]
    assert log[-2]["learning rate"] == 0
    assert (tmp_path / "export" / "model.safetensors").is_file()
    said = (tmp_path / "train_log.txt").read_text()
    assert "read 12 clips = used 12 + skipped 0 (none)" in said


def test_sample_of_a_short_clip_that_ends_at_once(
    tiny_speech_folder, tmp_path, monkeypatch
):
    from recipes.common.training import speech_samples

    speech = GogoSpeech.from_hparams(tiny_speech_folder)
    lm, codec = speech.mods.stage1, speech.codec
    tokens = torch.zeros(2, codec.num_codebooks, dtype=torch.long)
    clip = {"id": "a", "tokens": tokens, "text_ids": torch.ones(3).long()}
    end = torch.full((1, lm.backbone_size), lm.codebook_size)
    monkeypatch.setattr(
        speech_samples, "generate_backbone", lambda *_: [(end, None)]
    )
    speech_samples.Samples(codec, [clip], 1, 0, {})(lm, tmp_path)
    assert (tmp_path / "a.wav").is_file()
