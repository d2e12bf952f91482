#!/usr/bin/env python3
"""What the options of docs/memory.md save and cost, on a small Llama.

    python bench/memory.py [--dim 512] [--layers 8] [--updates 3]

Each row is a process of its own: weights, gradients, optimizer and activations
of a few updates of Stage II. Memory is the peak of the process over that of
its imports; time is that of the processor.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

ROWS = {
    "float32, AdamW": {},
    "+ gradient checkpointing": {"gradient_checkpointing": True},
    "bfloat16 with float32 masters": {
        "weights": "bfloat16",
        "adamw": "master",
        "gradient_checkpointing": True,
    },
    "bfloat16, 8-bit AdamW": {
        "weights": "bfloat16",
        "adamw": "8bit",
        "gradient_checkpointing": True,
    },
    "bfloat16, LoRA (r 16)": {
        "weights": "bfloat16",
        "adamw": "master",
        "lora": {"r": 16, "lora_alpha": 32},
        "gradient_checkpointing": True,
    },
}


def peak():
    """Most memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(dim, layers, clips, groups, updates, adamw="torch", **options):
    """Train one row: megabytes and seconds an update."""
    import torch

    from speechbrain_gogo.brains.optimizers import make_optimizer
    from speechbrain_gogo.lobes.speech.llama import speech_llama
    from speechbrain_gogo.lobes.speech.memory import save_memory
    from speechbrain_gogo.lobes.speech.stages import DetailLM

    if adamw == "8bit":
        import bitsandbytes  # noqa: F401  counts as an import
    if options.get("lora"):
        import peft  # noqa: F401
    torch.manual_seed(0)
    before = peak()
    llama = speech_llama(12802, dim, layers, dim // 64, 3 * dim)
    lm = DetailLM(save_memory(llama, **options)).train()
    learning = [w for w in lm.parameters() if w.requires_grad]
    optimizer = make_optimizer(learning, adamw, lr=1e-4)
    tokens = torch.randint(12800, (clips, groups, 10))
    seconds = []
    for _ in range(updates):
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            loss = lm(tokens, torch.ones(clips))["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.process_time() - start)
    size = sum(weight.numel() for weight in lm.parameters())
    return {
        "MB": peak() - before,
        "s": min(seconds[1:]),
        "parameters": size / 1e6,
    }


def main():
    """Run all rows, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {
        "dim": 512,
        "layers": 8,
        "clips": 8,
        "groups": 60,
        "updates": 3,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--row", choices=ROWS, help="measure this one alone")
    settings = vars(parser.parse_args())
    row = settings.pop("row")
    if row is not None:
        print(json.dumps(measure(**settings, **ROWS[row])))
        return
    first = None
    for name in ROWS:
        line = [sys.executable, __file__, "--row", name]
        line += [str(x) for k, v in settings.items() for x in (f"--{k}", v)]
        run = subprocess.run(line, stdout=subprocess.PIPE, check=True)
        found = json.loads(run.stdout.splitlines()[-1])
        first = first or found
        print(
            f"| {name} | {found['MB']:.0f} | {found['MB'] / first['MB']:.2f} | "
            f"{found['s'] / first['s']:.2f} |",
            flush=True,
        )
    print(
        f"{first['parameters']:.1f} M parameters, {first['s']:.1f} s an update"
    )


if __name__ == "__main__":
    main()
