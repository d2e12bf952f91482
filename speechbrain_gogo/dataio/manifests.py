"""SpeechBrain CSV manifests as training data for the codec.

Reads ``ID, duration, wav, wrd`` rows into a DynamicItemDataset. A row that
cannot be used is counted by reason, at the start (duration, missing file) or
when its audio turns out broken; what is left is batched by seconds of audio.
"""

from pathlib import Path

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_gogo.dataio.audio import AudioError, read_audio
from speechbrain_gogo.dataio.shards import ShardReport
from speechbrain_gogo.dataio.text import encode_text


def speech_dataset(
    csv_path,
    data_root,
    sample_rate=24000,
    min_seconds=1.0,
    max_seconds=20.0,
    tokenizer=None,
    cache_folder=None,
):
    """A manifest as a dataset of waveforms and text tokens.

    Arguments
    ---------
    csv_path : str | Path
        SpeechBrain CSV manifest with ID, duration (seconds), wav, wrd.
    data_root : str | Path
        Replaces ``$data_root`` in the manifest.
    sample_rate : int
        Of the waveforms that come out, in Hz.
    min_seconds : float
        Shorter rows are skipped.
    max_seconds : float
        Longer rows are skipped.
    tokenizer : sentencepiece.SentencePieceProcessor
        Adds the text tokens of ``wrd``; None leaves them out.
    cache_folder : str | Path
        Keeps decoded audio as 16-bit arrays there, so that later epochs
        neither decode nor resample.

    Returns
    -------
    tuple
        DynamicItemDataset with keys id, sig, wrd and, with a tokenizer,
        text; and the ShardReport of what was skipped.
    """
    dataset = DynamicItemDataset.from_csv(
        str(csv_path), replacements={"data_root": str(data_root)}
    )
    report, good = ShardReport(), {}
    for key, row in dataset.data.items():
        reason = _reason_to_skip(row, min_seconds, max_seconds)
        report[reason or "used"] += 1
        if reason is None:
            good[key] = row
    if not good:
        raise ValueError(f"{csv_path} has no usable row: {report}.")
    dataset = DynamicItemDataset(good)
    if cache_folder is not None:
        Path(cache_folder).mkdir(parents=True, exist_ok=True)

    def load(key, wav):
        try:
            return _load(key, wav, sample_rate, cache_folder)
        except AudioError as error:
            return error  # the collate function drops and counts it

    dataset.add_dynamic_item(load, takes=["id", "wav"], provides="sig")
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
    """Pad the usable examples of a batch; remember the others.

    Arguments
    ---------
    examples : list of dict
        Items of a :func:`speech_dataset`.

    Returns
    -------
    PaddedBatch
        With ``skipped``, a list of (id, reason). If no example is usable,
        the batch is one second of silence, so that every rank of a
        distributed run still takes its step.
    """
    bad = [e for e in examples if isinstance(e["sig"], AudioError)]
    good = [e for e in examples if not isinstance(e["sig"], AudioError)]
    if not good:
        good = [{**examples[0], "sig": torch.zeros(24000)}]
    batch = PaddedBatch(good)
    batch.skipped = [(e["id"], e["sig"].reason) for e in bad]
    return batch


def _reason_to_skip(row, min_seconds, max_seconds):
    """Why a row cannot be used, as far as the manifest tells; or None."""
    duration = float(row["duration"])
    if not min_seconds <= duration <= max_seconds:
        return f"not {min_seconds:g} to {max_seconds:g} s long"
    if not Path(row["wav"]).is_file():
        return "missing file"
    return None


def _load(key, path, sample_rate, cache_folder):
    """A row's samples, float32 [T], from the cache where there is one."""
    if cache_folder is None:
        return read_audio(path, sample_rate)
    cached = Path(cache_folder) / f"{key}.{sample_rate}.npy"
    if cached.is_file():
        return torch.from_numpy(np.load(cached)).float() / 32767
    wav = read_audio(path, sample_rate).clamp(-1, 1)
    samples = (wav * 32767).round().to(torch.int16)
    partial = cached.with_suffix(".partial.npy")
    np.save(partial, samples.numpy())
    partial.rename(cached)  # a killed run leaves no half-written array
    return samples.float() / 32767
