#!/usr/bin/env python3
"""Memory and time of the options of docs/memory.md, for a small Llama.

    python bench/memory.py [--dim 256] [--layers 8] [--clips 4] [--groups 30]
    torchrun --nproc_per_node 2 bench/memory.py # memory of one of two processes

Bytes are those of tensors: weights, gradients and the state of the optimizer after
an update of Stage II, and the activations that its forward pass stores for the
backward pass. Time is processor time. With several processes, which shard the weights
(FSDP2), neither activations nor gathered layers are counted.
"""

import argparse
import os
import time

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from torch.autograd.graph import saved_tensors_hooks

from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.training.optimizers import make_optimizer
from speechbrain_gogo.brains.training.sharding import ShardedModule
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.memory import save_memory
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

SHARDED = "RANK" in os.environ
HALF = {"weights": "bfloat16", "gradient_checkpointing": True}
ROWS = {
    "float32, AdamW": {},
    "+ gradient checkpointing": {"gradient_checkpointing": True},
    "bfloat16, `master`, checkpointing": {**HALF, "adamw": "master"},
    "bfloat16, `8bit`, checkpointing": {**HALF, "adamw": "8bit"},
    "bfloat16, `8bit`, LoRA (r 16), checkpointing": {
        **HALF,
        "adamw": "8bit",
        "lora": {"r": 16, "lora_alpha": 32},
    },
}


def size(tensors):
    """Megabytes of tensors; those that share memory count once.

    Of shards, those of this process.
    """
    tensors = [getattr(t, "_local_tensor", t).detach() for t in tensors]
    storages = {t.untyped_storage().data_ptr(): t for t in tensors}
    return sum(t.untyped_storage().nbytes() for t in storages.values()) / 1e6


def measure(dim, layers, clips, groups, adamw="torch", **options):
    """Train one row: megabytes held, megabytes of activations, seconds."""
    torch.manual_seed(0)
    llama = speech_llama(12802, dim, layers, dim // 64, 3 * dim)
    lm = DetailLM(save_memory(llama, **options), full_share=1.0).train()
    if SHARDED:
        lm = ShardedModule(lm, "cpu", "bf16").train()
    weights = list(lm.parameters())
    learning = [weight for weight in weights if weight.requires_grad]
    optimizer = make_optimizer(learning, adamw, lr=1e-4)
    tokens = torch.randint(12800, (clips, groups, 10))
    own = () if SHARDED else {w.untyped_storage().data_ptr() for w in weights}
    seconds, kept = [], []

    def keep(tensor):
        if not SHARDED and tensor.untyped_storage().data_ptr() not in own:
            kept.append(tensor)
        return tensor

    for _ in range(3):
        kept.clear()
        start = time.process_time()
        with (
            torch.autocast("cpu", torch.bfloat16),
            saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            loss = lm(tokens, torch.ones(clips))["loss"]
        activations = size(kept)
        kept.clear()
        loss.backward()
        gradients = size([w.grad for w in learning])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.process_time() - start)
    state = [
        value
        for of_weight in optimizer.state.values()
        for value in of_weight.values()
        if torch.is_tensor(value)
    ]
    return size(weights) + gradients + size(state), activations, min(seconds)


def main():
    """Print the rows of a table, as ratios to the first one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"dim": 256, "layers": 8, "clips": 4, "groups": 30}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    settings = vars(parser.parse_args())
    if SHARDED:
        torch.distributed.init_process_group("gloo")
    first = None
    for name, options in ROWS.items():
        if SHARDED and options.get("adamw") == "8bit":
            continue  # bitsandbytes does not support shards
        found = measure(**settings, **options)
        first = first or found
        columns = [name]
        for value, of, unit in zip(found, first, ("MB", "MB", "s")):
            if of:
                columns += [f"{value:.3g} {unit}", f"{value / of:.2f}"]
        if not SHARDED or torch.distributed.get_rank() == 0:
            print("|", " | ".join(columns), "|", flush=True)


if __name__ == "__main__":
    main()
    leave_process_group()
