"""Batches of clips of similar lengths, whose size includes the padding."""

import random

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.iterators import (
    dynamic_bucketed_batch,
    indices_around_random_pivot,
)
from speechbrain.dataio.sampler import DynamicBatchSampler

from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.dataset import collate_usable


def batches_by_seconds(
    clips, batch_seconds, max_batch_size=64, buffer_size=512, seed=0
):
    """Group a stream of clips into batches.

    Arguments
    ---------
    clips : iterable of dict
        Clips with ``duration`` in seconds.
    batch_seconds : float
        Largest batch, padding included. A longer clip is a batch of its own.
    max_batch_size : int
        Most clips in a batch.
    buffer_size : int
        Clips from which those of a batch are sampled; it is refilled as
        they are used.
    seed : int | str
        Seed of the sampling.

    Returns
    -------
    iterator of list of dict

    Example
    -------
    >>> clips = [{"duration": seconds} for seconds in (5, 1, 2, 2, 9, 1)]
    >>> batches = list(batches_by_seconds(clips, 4))
    >>> sorted([clip["duration"] for clip in batch] for batch in batches)
    [[1, 1], [2, 2], [5], [9]]
    """
    return dynamic_bucketed_batch(
        clips,
        len_key="duration",
        len_fn=None,
        buffersize=buffer_size,
        collate_fn=list,
        sampler_fn=indices_around_random_pivot,
        sampler_kwargs={
            "target_batch_numel": batch_seconds,
            "max_batch_numel": batch_seconds,
            "max_batch_size": max_batch_size,
            "randint_generator": random.Random(seed).randint,
        },
    )


def usable_batch(clips, read, report):
    """A PaddedBatch of the clips whose audio can be used; None if none can.

    ``read`` makes an item of a clip, or raises an AudioError. ``report`` counts
    those used and the others by reason.
    """
    items = []
    for clip in clips:
        try:
            items.append(read(clip))
        except AudioError as error:
            report[error.reason] += 1
    report["used"] += len(items)
    return PaddedBatch(items) if items else None


def loader_settings(
    dataset,
    training,
    batch_seconds,
    max_batch_size=64,
    num_buckets=60,
    seed=0,
    **workers,
):
    """Arguments of SpeechBrain's loader for batches by duration.

    Arguments
    ---------
    dataset : DynamicItemDataset
        From :func:`~speechbrain_gogo.dataio.manifests.dataset.speech_dataset`.
    training : bool
        Shuffle and change batches in every epoch; else short clips first.
    batch_seconds : float
        Largest batch, padding included.
    max_batch_size : int
        Most clips in a batch.
    num_buckets : int
        Buckets of lengths; the clips of a batch are from one of them.
    seed : int
        Seed of the order.
    **workers
        Arguments of DataLoader, such as :func:`worker_settings`.

    Returns
    -------
    dict
        Arguments of ``Brain.make_dataloader``.
    """
    sampler = DynamicBatchSampler(
        dataset,
        shuffle=training,
        batch_ordering="random" if training else "ascending",
        seed=seed,
        max_batch_length=batch_seconds,
        num_buckets=num_buckets,
        length_func=lambda row: float(row["duration"]),
        max_batch_ex=max_batch_size,
    )
    return {"batch_sampler": sampler, "collate_fn": collate_usable, **workers}


def worker_settings(num_workers, prefetch_batches=2, pin_memory=True):
    """Arguments of a DataLoader that prepares batches in advance.

    With ``num_workers`` 0, the training process loads them itself. With
    ``pin_memory`` and a GPU, they are put into pinned memory, so that copies to
    the GPU overlap with its computations.

    Example
    -------
    >>> worker_settings(0)["num_workers"]
    0
    """
    return {
        "num_workers": num_workers,
        "prefetch_factor": prefetch_batches if num_workers else None,
        "pin_memory": pin_memory and torch.cuda.is_available(),
    }
