"""What an experiment would read: manifests, tokens, shards, lists, and models."""

import math
from pathlib import Path

from recipes.common.dry_run.models import Input, find_models
from speechbrain_gogo.dataio.manifests.dataset import reason_to_skip
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.tars import find_splits
from speechbrain_gogo.dataio.tokens.corpus import open_corpus

STAGES = "train", "valid", "test"

# Data beside the manifests. A recipe that adds another one adds its name here.
PATHS = "noise_folder", "scored", "prompt_wav", "published", "ablation"
LISTS = "meta_list", "sentence_files", "word_files"


def find_inputs(settings, tree=None, folder="."):
    """All inputs that settings name, a list of Input.

    ``settings`` is a YAML without objects: numbers, texts, lists and dicts.
    ``tree`` has the arguments of objects, too, which may name models.
    ``folder`` is that of the YAML, to which a ``published`` table is relative.
    """
    found = [*_manifests(settings), *_tokens(settings), *_shards(settings)]
    for name in LISTS:
        paths = settings.get(name) or []
        for path in [paths] if isinstance(paths, str) else paths:
            found.append(_text_file(name, path))
    found += find_models(settings, settings if tree is None else tree)
    for name in PATHS:
        if isinstance(settings.get(name), str):
            place = Path(folder if name == "published" else ".", settings[name])
            there = place.exists()
            text = str(place) if there else f"{place} is missing"
            found.append(Input(name, text, missing=not there))
    return found


def read_stage(settings, stage, more=None):
    """ClipReport of a stage's manifests, and the hours of usable clips.

    Audio is not read. ``more`` are further manifests, and what replaces
    ``$data_root`` in them. Clips of a test set may have any length.
    """
    clips = settings.get("clips") or {}
    limits = (
        settings.get("min_seconds", clips.get("min_duration", 0.0)),
        settings.get("max_seconds", clips.get("max_duration", math.inf)),
    )
    if stage == "test":
        limits = 0.0, math.inf
    report, seconds = ClipReport(), 0.0
    own = {settings[f"{stage}_csv"]: settings.get("data_folder")}
    for path, root in {**own, **(more or {})}.items():
        rows, unread = read_manifest(path, root)
        report.update(unread)
        for row in rows.values():
            reason = reason_to_skip(row, *limits)
            report[reason or "used"] += 1
            seconds += row["duration"] if reason is None else 0.0
    return report, seconds / 3600


def _manifests(settings):
    for stage in STAGES:
        name = f"{stage}_csv"
        if name not in settings:
            continue
        path = settings[name]
        if path is not None and Path(path).is_file():
            more = settings.get("more_train_csv") if stage == "train" else None
            report, hours = read_stage(settings, stage, more)
            text = f"{path}: {report}: {hours:.2f} hours"
            yield Input(name, text, hours, missing=not report.used)
        else:
            yield _unprepared(settings, stage, path)


def _unprepared(settings, stage, path):
    """What a manifest that is not there would be made of."""
    root = Path(settings.get("data_folder") or ".")
    splits = settings.get(f"{stage}_splits")
    if path is None:
        splits, goal = ["."], "manifests to be made"
    else:
        splits, goal = settings.get("subsets", splits), f"{path}, to be made"
        if splits is None or settings.get("skip_prep"):
            return Input(f"{stage}_csv", f"{path} is missing", missing=True)
    counts = {
        split: sum(1 for _ in (root / split).rglob("*.wav")) for split in splits
    }
    text = ", ".join(f"{root / s}: {n} wav files" for s, n in counts.items())
    lost = path is not None and not all(counts.values())
    return Input(f"{stage}_csv", f"{goal} of {text}", missing=lost)


def _tokens(settings):
    for stage in STAGES:
        folders = settings.get(f"{stage}_tokens")
        several = isinstance(folders, list)
        for folder in (folders if several else [folders]) if folders else []:
            name = f"{stage}_tokens"
            if f"{stage}_csv" in settings:  # of a recipe that makes them
                yield Input(name, f"{folder}, made where it is missing")
                continue
            try:
                header, shards = open_corpus(folder)
            except ValueError as error:
                yield Input(name, str(error), missing=True)
                continue
            clips = sum((shard.report for shard in shards), ClipReport())
            groups = sum(int(shard.num_groups.sum()) for shard in shards)
            hours = groups / header["group_rate"] / 3600
            text = f"{folder}: {clips}: {hours:.2f} hours"
            yield Input(name, text, hours, missing=not clips.used)


def _shards(settings):
    if "train_shards" not in settings:
        return
    try:
        found = find_splits(settings["train_shards"], settings["valid_shards"])
    except ValueError as error:
        yield Input("train_shards", str(error), missing=True)
        return
    for stage, paths in found.items():
        local = [Path(path) for path in map(str, paths) if Path(path).is_file()]
        size = sum(path.stat().st_size for path in local) / 1e9
        text = f"{len(paths)} tars, {size:.2f} GB of them on this disk"
        few = not paths
        if stage == "train" and "epoch_batches" in settings:
            # Of a training, whose readers need a tar each.
            workers = max(1, settings.get("num_workers", 0))
            most = len(paths) // workers
            text += f", for at most {most} processes of {workers} workers"
            few = most < 1
        yield Input(f"{stage}_shards", text, missing=few)


def _text_file(name, path):
    path = Path(path)
    if not path.is_file():
        return Input(name, f"{path} is missing", missing=True)
    with open(path, "rb") as file:
        return Input(name, f"{path}: {sum(1 for _ in file)} lines")
