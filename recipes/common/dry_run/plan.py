"""The report of a dry run."""

import math
import shutil
from pathlib import Path

from recipes.common.dry_run.inputs import find_inputs
from recipes.common.dry_run.resources import MOMENTS, create, measure

KEPT = 2  # checkpoints: the best and the last one


def tell(settings):
    """Print what an experiment would read, write and take."""
    print(f"Dry run of {settings.file}: nothing is written.")
    try:
        hparams, plain = create(settings)
        size = measure(hparams)
    except Exception as error:  # whatever a loader of weights raises
        first = str(error).strip().split("\n")[0]
        print(f"\nNot created, so not counted: {type(error).__name__}: {first}")
        print("(A dry run takes models of the hub from its cache only.)")
        size, hparams, plain = None, {}, settings.tree()
    inputs = find_inputs(plain, settings.tree(), Path(settings.file).parent)
    print("\nReads")
    for found in inputs:
        missing = "MISSING " if found.missing else ""
        print(f"  {missing}{found.name}: {found.text}")
    print("\nWrites")
    for line in describe_outputs(plain, size, hparams):
        print(f"  {line}")
    print("\nTakes")
    for line in describe_work(plain, size, hparams, inputs):
        print(f"  {line}")
    print(f"\n{conclude(inputs, size is not None)}")


def conclude(inputs, created):
    """What is missing, or would be downloaded, as a text.

    ``created``: whether the objects of the YAML could be created.
    """
    missing = [found.name for found in inputs if found.missing]
    fetched = [found.download for found in inputs if found.download]
    lines = []
    if missing:
        lines.append(f"Missing: {', '.join(missing)}.")
    if fetched:
        lines.append(f"To be downloaded from the hub: {', '.join(fetched)}.")
    if not missing:
        rest = "All else" if fetched else "All"
        lines.append(f"{rest}{'' if created else ' that is read'} is there.")
    return "\n".join(lines)


def describe_outputs(plain, size, hparams):
    """Folders, checkpoints, and the room on the disk, as lines."""
    output = Path(plain["output_folder"])
    parent = output.absolute()
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free / 1e9
    state = "a new folder"
    saved = sorted((output / "save").glob("CKPT*"))
    if saved:
        state = f"goes on from {saved[-1].name}"
    elif output.is_dir() and any(output.iterdir()):
        state = "a folder that is not empty"
    yield f"output_folder: {output}, {state}; {free:.1f} GB are free there"
    for name, value in sorted(plain.items()):
        folder = name.endswith("_folder") and isinstance(value, str)
        if folder and name not in (
            "output_folder",
            "data_folder",
            "noise_folder",
        ):
            yield f"{name}: {value}{'' if Path(value).exists() else ', new'}"
    if size is not None and "checkpointer" in hparams:
        gigabytes = size.bytes_of_checkpoint(moments(plain)) / 1e9
        yield (
            f"checkpoints: {gigabytes:.3g} GB each at most, {KEPT} are kept "
            "(the best and the last), and one more while it is written"
        )


def moments(plain):
    """Bytes of the optimizer for each parameter."""
    return MOMENTS.get(plain.get("adamw", "torch"), MOMENTS["torch"])


def describe_work(plain, size, hparams, inputs):
    """Parameters, memory, updates, as lines."""
    if size is not None and size.trained:
        parts = ", ".join(
            f"{k} {n / 1e6:.2f} M" for k, n in size.trained.items()
        )
        yield f"parameters to train: {parts}"
        yield f"other weights (averages, frozen models): {size.other_bytes / 1e9:.3g} GB"
        total = size.bytes_of_training(moments(plain)) / 1e9
        yield (
            f"memory: {total:.3g} GB of weights, gradients and optimizer in a "
            "process; activations come on top (docs/memory.md)"
        )
    elif size is not None:
        yield f"weights: {size.other_bytes / 1e9:.3g} GB"
    if plain.get("lora") or plain.get("frozen") or plain.get("shard_weights"):
        yield "lora, frozen and shard_weights are not counted: they take less"
    if "budget" in hparams:
        yield from describe_updates(plain, hparams["budget"], inputs)
        yield (
            "time: not known before it runs; progress.jsonl has the throughput "
            "from its first rows on, and the log says what is left"
        )
    for name in ("max_utterances", "every", "max_clips"):
        if plain.get(name) is not None:
            yield f"{name}: {plain[name]}"


def describe_updates(plain, budget, inputs):
    """Number of updates, and of epochs, as lines."""
    hours = next((x.hours for x in inputs if x.name.startswith("train_")), None)
    seconds = plain.get("batch_seconds")
    batches = plain.get("grad_accumulation_factor", 1)
    each = None
    if hours and seconds:
        each = math.ceil(3600 * hours / seconds / batches)
        yield (
            f"an epoch: {each} updates or more of {batches} x {seconds:g} s "
            f"in each process, of {hours:.2f} hours"
        )
    epochs = plain["number_of_epochs"]
    if budget.num_steps is not None:
        rounds = f", {budget.num_steps / each:.3g} epochs" if each else ""
        yield f"updates: {budget.num_steps}{rounds}, in {epochs} epochs at most"
    else:
        yield f"updates: those of {epochs} epochs"
    if budget.max_minutes is not None:
        yield f"time: {budget.max_minutes:g} minutes at most"
