"""Batches of clips of like lengths, whose size counts the padding."""

import random

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.iterators import (
    dynamic_bucketed_batch,
    indices_around_random_pivot,
)
from speechbrain.dataio.sampler import DynamicBatchSampler

from speechbrain_gogo.dataio.manifests.reading import collate_usable


def batches_by_seconds(
    clips, batch_seconds, max_batch_size=64, buffer_size=512, seed=0
):
    """Group a stream of clips into batches.

    Arguments
    ---------
    clips : iterable of dict
        With ``duration`` in seconds.
    batch_seconds : float
        Largest batch, padding included. A longer clip is a batch of its own.
    max_batch_size : int
        Most clips in a batch.
    buffer_size : int
        Clips among which those of a batch are drawn; it is refilled as they
        leave.
    seed : int | str
        Of what is drawn first.

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


def loader_settings(
    dataset,
    training,
    batch_seconds,
    max_batch_size=64,
    num_buckets=60,
    num_workers=0,
    seed=0,
):
    """What the host's loader needs to batch a dataset of known durations.

    Arguments
    ---------
    dataset : DynamicItemDataset
        From :func:`~speechbrain_gogo.dataio.manifests.reading.speech_dataset`.
    training : bool
        Shuffle, other batches in every epoch; else the short clips first.
    batch_seconds : float
        Largest batch, padding included.
    max_batch_size : int
        Most clips in a batch.
    num_buckets : int
        Kinds of lengths that share a batch.
    num_workers : int
        Processes that load.
    seed : int
        Of the order.

    Returns
    -------
    dict
        Arguments of ``Brain.make_dataloader``.
    """
    sampler = _sampler(
        dataset,
        training,
        seed,
        max_batch_length=batch_seconds,
        num_buckets=num_buckets,
        length_func=lambda row: float(row["duration"]),
        max_batch_ex=max_batch_size,
    )
    return {
        "batch_sampler": sampler,
        "collate_fn": collate_usable,
        "num_workers": num_workers,
    }


def token_loader_settings(
    dataset,
    lengths,
    training,
    batch_length,
    max_batch_size=64,
    bucket_length=16,
    num_workers=0,
    seed=0,
):
    """What the host's loader needs to batch clips that are tokens already.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        Clips, such as a :class:`~speechbrain_gogo.dataio.tokens.dataset.TokenDataset`.
    lengths : list of int
        Of each clip: groups, or positions of a language model.
    training : bool
        Shuffle, other batches in every epoch; else the short clips first.
    batch_length : int
        Largest batch, in units of the lengths, padding included.
    max_batch_size : int
        Most clips in a batch.
    bucket_length : int
        Clips whose lengths differ by less share a batch.
    num_workers : int
        Processes that load.
    seed : int
        Of the order.

    Returns
    -------
    dict
        Arguments of ``Brain.make_dataloader``.

    Example
    -------
    >>> lengths = [2, 9, 3]
    >>> settings = token_loader_settings(
    ...     lengths, lengths, False, 12, bucket_length=4
    ... )
    >>> list(settings["batch_sampler"])
    [[0, 2], [1]]
    """
    boundaries = range(
        bucket_length, max(lengths) + bucket_length, bucket_length
    )
    sampler = _sampler(
        dataset,
        training,
        seed,
        max_batch_length=batch_length,
        max_batch_ex=max_batch_size,
        bucket_boundaries=list(boundaries),
        lengths_list=lengths,
    )
    return {
        "batch_sampler": sampler,
        "collate_fn": PaddedBatch,
        "num_workers": num_workers,
    }


def _sampler(dataset, training, seed, **bounds):
    """The host's sampler; not in training, the short clips come first."""
    return DynamicBatchSampler(
        dataset,
        shuffle=training,
        batch_ordering="random" if training else "ascending",
        seed=seed,
        **bounds,
    )
