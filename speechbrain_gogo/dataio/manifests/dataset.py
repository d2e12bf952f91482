"""Rows of SpeechBrain CSV manifests as training data.

Rows that cannot be used are counted by reason: those whose duration does not fit or
whose file does not exist when the dataset is made, those whose audio cannot be read
when it is read.
"""

import math
import os
import random
from itertools import islice
from pathlib import Path

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_gogo.dataio.audio.clips import check_duration, load_clip
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.text.tokenizers import encode_text, normalize_words

STAND_IN = 24000  # samples of silence, in place of a batch without usable clips


def speech_dataset(
    csv_path,
    data_root=None,
    sample_rate=24000,
    min_seconds=1.0,
    max_seconds=20.0,
    tokenizer=None,
    cache_folder=None,
):
    """A manifest as a dataset of waveforms and text tokens.

    Arguments
    ---------
    csv_path : str | Path | dict
        SpeechBrain CSV manifest with ID, duration (seconds), wav, wrd; or a
        dict from each of several manifests to the folder that replaces
        ``$data_root`` in it.
    data_root : str | Path
        Replaces ``$data_root`` in a single manifest.
    sample_rate : int
        Sample rate of the resulting waveforms, in Hz.
    min_seconds : float
        Shorter rows are skipped.
    max_seconds : float
        Longer rows are skipped.
    tokenizer : sentencepiece.SentencePieceProcessor
        Adds the text tokens of ``wrd``; without it there are none.
    cache_folder : str | Path
        Folder for decoded audio in 16 bits, so that later epochs neither
        decode nor resample. Audio files that have changed are read again.

    Returns
    -------
    tuple
        DynamicItemDataset with keys id, sig, wrd and, with a tokenizer,
        text; and the ClipReport of what was skipped.

    Raises
    ------
    ValueError
        If a manifest cannot be read, or no row can be used.
    """
    if not isinstance(csv_path, dict):
        csv_path = {csv_path: data_root}
    good, report = {}, ClipReport()
    for path, root in csv_path.items():
        rows, unread = read_manifest(path, root)
        report.update(unread)
        for key, row in rows.items():
            reason = reason_to_skip(row, min_seconds, max_seconds)
            if reason is None and tokenizer and not normalize_words(row["wrd"]):
                reason = "no words"
            if key in good:
                reason = "duplicate ID"
            report[reason or "used"] += 1
            if reason is None:
                good[key] = row
    if not good:
        paths = ", ".join(map(str, csv_path))
        raise ValueError(f"{paths} has no usable row: {report}.")
    dataset = DynamicItemDataset(good)
    if cache_folder is not None:
        Path(cache_folder).mkdir(parents=True, exist_ok=True)

    def load(path, samples, duration):
        try:
            wav = load_clip(path, sample_rate, samples, cache_folder)
            check_duration(len(wav) / sample_rate, duration, path)
        except AudioError as error:
            return error  # the collate function drops and counts it
        return wav

    dataset.add_dynamic_item(
        load, takes=["wav", "samples", "duration"], provides="sig"
    )
    keys = ["id", "sig", "wrd"]
    if tokenizer is not None:
        dataset.add_dynamic_item(
            lambda words: encode_text(tokenizer, words),
            takes="wrd",
            provides="text",
        )
        keys.append("text")
    dataset.set_output_keys(keys)
    return dataset, report


def collate_usable(examples):
    """Pad the usable examples of a batch, items of a :func:`speech_dataset`.

    Returns a PaddedBatch with ``skipped``, a list of (id, reason) of the
    others. If no example is usable, the batch is a second of silence, since
    every rank of a distributed run needs a batch for its update, and
    ``stand_in`` is true.
    """
    bad = [e for e in examples if isinstance(e["sig"], AudioError)]
    good = [e for e in examples if not isinstance(e["sig"], AudioError)]
    stand_in = not good
    if stand_in:
        silence = {**examples[0], "sig": torch.zeros(STAND_IN)}
        if "text" in silence:  # a single token, since nothing is said
            silence["text"] = silence["text"][:1]
        good = [silence]
    batch = PaddedBatch(good)
    batch.skipped = [(e["id"], e["sig"].reason) for e in bad]
    batch.stand_in = stand_in
    return batch


def recipe_manifests(hparams):
    """The manifests of a recipe, as :func:`speech_dataset` takes them.

    The settings of the recipe have ``train_csv`` and ``valid_csv``, in which
    ``data_folder`` replaces ``$data_root``, and ``more_train_csv``, each with
    its own folder. Returns manifests and their folders by stage, "train" and
    "valid".
    """
    root = hparams["data_folder"]
    return {
        "train": {hparams["train_csv"]: root, **hparams["more_train_csv"]},
        "valid": {hparams["valid_csv"]: root},
    }


def usable_clips(dataset, number=None, seed=None):
    """Clips of a :func:`speech_dataset` whose audio can be read.

    At most ``number`` items of the dataset; all if None. ``seed`` is that of a
    random sample, of which None is the first ones.
    """
    places = list(range(len(dataset)))
    if seed is not None:
        random.Random(seed).shuffle(places)
    clips = (dataset[place] for place in places)
    good = (c for c in clips if not isinstance(c["sig"], AudioError))
    return islice(good, number)


def check_usable(dataset, name):
    """Raise a ValueError with all reasons if no clip of a dataset can be used.

    Clips are read up to the first usable one; ``name`` is that of the dataset.
    """
    report = ClipReport()
    for place in range(len(dataset)):
        sig = dataset[place]["sig"]
        if not isinstance(sig, AudioError):
            return
        report[sig.reason] += 1
    raise ValueError(f"{name}: no clip can be used, of {report}.")


def reason_to_skip(row, min_seconds, max_seconds):
    """Why a row cannot be used, without reading its audio; None if it can.

    Durations of ``min_seconds`` and ``max_seconds`` can be used.
    """
    if not min_seconds <= row["duration"] <= max_seconds:
        return f"not {min_seconds:g} to {max_seconds:g} s long"
    if not 0 < row["duration"] < math.inf:
        return "no duration"
    if not os.path.isfile(row["wav"]):  # False for a path that is too long
        return "missing file"
    return None
