"""A sharded stage is trained like one under DistributedDataParallel."""

import copy
import json
from types import SimpleNamespace

import pytest
import torch
from processes import run_ranks

from speechbrain_gogo.brains.speech_lm import SpeechLMBrain
from speechbrain_gogo.brains.training.sharding import whole
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM

# Both ways, for two epochs; the sharded one is begun anew after the first.
SCRIPT = """
import functools
import json
import sys
from pathlib import Path

import speechbrain as sb
import torch

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.checkpoints import AtomicCheckpointer
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.brains.training.optimizers import make_optimizer
from speechbrain_gogo.dataio.ranks import sum_over_ranks
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.memory import save_memory
from speechbrain_gogo.lobes.speech.stage2 import DetailLM


class Stage(TrainingBrain):
    def compute_forward(self, batch, stage):
        lm = self.unwrapped(self.modules.lm, stage)
        return lm(batch, torch.ones(len(batch)))["loss"]

    def compute_objectives(self, loss, batch, stage):
        return loss

    def on_stage_end(self, stage, loss, epoch=None):
        self.write_log(stage.name, loss=loss)
        if stage == sb.Stage.VALID:
            self.checkpointer.save_checkpoint(name=f"epoch-{epoch}")


def brain(folder, kind, weights, seed, **hparams):
    torch.manual_seed(seed)  # one rank's weights are those of all
    llama = speech_llama(82, 32, 2, 2, 64)
    llama = save_memory(llama, gradient_checkpointing=True, weights=weights)
    lm = DetailLM(llama, codebook_size=80, full_share=1.0)
    counter = sb.utils.epoch_loop.EpochCounter(2)
    budget = TrainingBudget(100, warmup_steps=0)
    hparams |= {"budget": budget, "epoch_counter": counter, "seed": 0}
    hparams |= {"learning_rate": 0.003, "output_folder": folder}
    folder.mkdir(exist_ok=True)
    precision = "fp32" if weights == "float32" else "bf16"
    saved = {"lm": lm, "counter": counter, "budget": budget}
    return Stage(
        {"lm": lm},
        functools.partial(make_optimizer, kind=kind),
        hparams,
        {
            **run_opts,
            "grad_accumulation_factor": 2,
            "max_grad_norm": 1.0,
            "precision": precision,
        },
        AtomicCheckpointer(folder / "save", saved),
    )


def held(brain):
    # Numbers of this rank: weights, and what the optimizer knows of them.
    state = brain.optimizer.state
    tensors = [t for each in state.values() for t in each.values()]
    tensors = [t for t in tensors if torch.is_tensor(t) and t.ndim]
    local = [
        sum(getattr(t, "_local_tensor", t).numel() for t in some)
        for some in (brain.modules.parameters(), tensors)
    ]
    return local


def fit(brain, epochs):
    brain.hparams.epoch_counter.limit = epochs
    loaders = [
        torch.utils.data.DataLoader(list(batches), batch_size=None)
        for batches in (tokens[:3], tokens[3:])  # two updates, of 2 and 1
    ]
    brain.fit(brain.hparams.epoch_counter, *loaders, progressbar=False)
    return held(brain)


run_opts = {"device": "cpu", "distributed_backend": "gloo"}
sb.utils.distributed.ddp_init_group(run_opts)
rank = torch.distributed.get_rank()
draw = torch.Generator().manual_seed(rank)
tokens = torch.randint(80, (4 + rank, 2, 4, 10), generator=draw)  # also unequal
for kind, weights in (("torch", "float32"), ("master", "bfloat16")):
    folder = Path(sys.argv[1]) / kind
    folder.mkdir(exist_ok=True)
    copied = fit(brain(folder / "copied", kind, weights, rank), 2)
    setting = folder / "sharded", kind, weights
    fit(brain(*setting, rank, shard_weights=True), 1)
    sharded = fit(brain(*setting, 5, shard_weights=True), 2)
    shares = [mine / all for mine, all in zip(sharded, copied)]
    if rank == 0:
        (folder / "shares.json").write_text(json.dumps(shares))
leave_process_group()
"""


def assert_alike(one, other, far):
    """The same structure, of tensors that differ by a share of their size."""
    if torch.is_tensor(one):
        assert (type(one), one.dtype) == (type(other), other.dtype)
        assert (one - other).float().norm() <= far * one.float().norm()
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_alike(one[key], other[key], far)
    else:
        assert type(one) is type(other)


def test_sharded_training_equals_data_parallel(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run_ranks(script, [tmp_path], tmp_path / "printed.txt")
    for kind, far in (("torch", 1e-5), ("master", 5e-3)):
        folder = tmp_path / kind
        weights, state = json.loads((folder / "shares.json").read_text())
        assert weights == state == pytest.approx(0.5, abs=0.01)
        logs = [
            [json.loads(line) for line in path.read_text().splitlines()]
            for path in sorted(folder.glob("*/progress.jsonl"))
        ]
        losses = [[row.pop("loss") for row in log] for log in logs]
        assert len(losses[0]) == 4 and logs[0] == logs[1]
        assert losses[0][-2] < losses[0][0]  # of training
        assert losses[1] == pytest.approx(losses[0], rel=far)
        for name in ("lm", "optimizer"):
            for epoch in (1, 2):
                files = folder.glob(f"*/save/CKPT+epoch-{epoch}/{name}.ckpt")
                copied, sharded = (torch.load(path) for path in sorted(files))
                assert_alike(copied, sharded, 20 * far)


@pytest.fixture
def one_rank(monkeypatch):
    """A distributed run of this process alone."""
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group(
        "gloo", store=store, rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("shard_weights", [False, True])
def test_an_aligned_stage_trains_in_parts(one_rank, tmp_path, shard_weights):
    """First its aligner, then the rest: the other part has no gradients."""
    sizes = {"dim": 16, "num_layers": 2, "num_heads": 2, "dropout": 0.0}
    lm = AlignedBackboneLM(
        30, [4, 3], aligner_batches=2, history_dropout=0.0, **sizes
    )
    alone = copy.deepcopy(lm)
    budget = SimpleNamespace(minutes=0.0)
    brain = SpeechLMBrain(
        modules={"lm": lm},
        hparams={
            **{"lm": lm, "shard_weights": shard_weights, "budget": budget},
            **{"output_folder": str(tmp_path), "seed": 0},
        },
        run_opts={"device": "cpu", "distributed_backend": "gloo"},
    )
    brain._wrap_distributed()
    draw, ones = torch.Generator().manual_seed(0), torch.ones(2)
    text = torch.randint(30, (2, 6), generator=draw)
    tokens = torch.randint(12, (2, 5, 10), generator=draw)
    for batch in range(4):
        for module in (brain.modules.lm, alone):
            torch.manual_seed(batch)  # of the levels that the aligner reads
            module.zero_grad()
            module(text, ones, tokens, ones)["loss"].backward()
        weights = zip(brain.modules.lm.parameters(), alone.named_parameters())
        for found, (name, expected) in weights:
            learns = name.startswith("aligner") == (batch < 2)
            assert learns == (found.grad is not None)
            if learns:
                torch.testing.assert_close(whole(found.grad), expected.grad)
