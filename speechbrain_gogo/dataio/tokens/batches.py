"""Batches of clips of similar lengths, for up to 20 million clips.

SpeechBrain's DynamicBatchSampler keeps lists of Python integers, and under
torchrun a list of all batches on every rank. Here an epoch is one array of clip
numbers, from which each rank reads its batches.
"""

import numpy as np
from speechbrain.dataio.batch import PaddedBatch
from torch.utils.data import Sampler
from webdataset.utils import pytorch_worker_info

LAST_BUCKET = np.iinfo(np.int16).max


class BucketBatches(Sampler):
    """Numbers of clips, batch by batch, for a DataLoader's batch_sampler.

    Clips whose lengths are between the same multiples of ``bucket_length``
    share batches, whose size follows from the longest clip of the bucket. The
    batches of an epoch depend only on the seed and the epoch. In training each
    of R ranks takes every R-th; if their number is not a multiple of R, the
    first ones are repeated, so that all ranks have the same number.

    Arguments
    ---------
    lengths : numpy.ndarray
        Lengths of each clip, positive; not copied.
    training : bool
        Shuffle in every epoch; else short clips come first.
    batch_length : float
        Largest batch, in units of the lengths, padding included. A longer
        clip is a batch of its own.
    max_batch_size : int
        Most clips in a batch.
    bucket_length : float
        Difference of lengths within a bucket.
    seed : int
        Seed of the order.

    Raises
    ------
    ValueError
        If a batch or a bucket would have no room for a clip.

    Example
    -------
    >>> lengths = np.array([2, 9, 3, 2])
    >>> list(BucketBatches(lengths, False, 12, bucket_length=4))
    [[0, 2, 3], [1]]
    """

    over_ranks = True  # distributes the batches itself, without SpeechBrain

    def __init__(
        self,
        lengths,
        training,
        batch_length,
        max_batch_size=64,
        bucket_length=16,
        seed=0,
    ):
        if min(batch_length, max_batch_size, bucket_length) <= 0:
            raise ValueError(
                f"Batches of at most {batch_length} in length and "
                f"{max_batch_size} clips, in buckets of {bucket_length}: each "
                "has to be more than 0."
            )
        self.lengths = np.asarray(lengths)
        self.training = training
        self.bucket_length = bucket_length
        self.seed = seed
        self.epoch = 0
        self.rank, self.ranks, *_ = pytorch_worker_info()
        of_clip = self._buckets()
        buckets = int(of_clip.max(initial=0)) + 1
        self.clips = np.zeros(buckets, np.int64)  # in each
        np.add.at(self.clips, of_clip, 1)
        longest = np.zeros(buckets, self.lengths.dtype)
        np.maximum.at(longest, of_clip, self.lengths)
        fitting = batch_length // np.maximum(longest, 1e-9)
        self.sizes = np.clip(fitting, 1, max_batch_size).astype(np.int64)
        self.num_batches = int((-(-self.clips // self.sizes)).sum())

    def _buckets(self):
        """The bucket of each clip, int16; the last one has all longer clips."""
        ratio = self.lengths / np.float32(self.bucket_length)
        np.minimum(ratio, LAST_BUCKET, out=ratio)
        return np.ceil(ratio, out=ratio).astype(np.int16)

    def set_epoch(self, epoch):
        """Set the epoch of the next batches."""
        self.epoch = epoch

    @property
    def identity(self):
        """Settings on which the batches of an epoch depend, readable."""
        return (
            f"{len(self.lengths)} clips in {self.num_batches} batches, seed "
            f"{self.seed}"
        )

    def _own(self, sequence):
        """The batches of this rank, from those of all."""
        if not self.training:
            return sequence
        rounds = -(-len(sequence) // self.ranks)
        sequence = np.resize(sequence, rounds * self.ranks)
        return sequence[self.rank :: self.ranks]

    def __len__(self):
        """Batches of this rank."""
        return len(self._own(np.arange(self.num_batches)))

    def __iter__(self):
        """Yield lists of numbers of clips."""
        draw = np.random.default_rng([self.seed, self.epoch])
        order, starts, ends = self._epoch(draw)
        sequence = np.arange(self.num_batches)
        if self.training:
            draw.shuffle(sequence)
        for batch in self._own(sequence):
            yield order[starts[batch] : ends[batch]].tolist()

    def _epoch(self, draw):
        """Clips in the order of buckets, int32, and the borders of batches."""
        of_clip = self._buckets()
        order = np.empty(len(of_clip), np.int32)
        starts, ends, end = [], [], 0
        for bucket in np.flatnonzero(self.clips):
            start, end = end, end + self.clips[bucket]
            order[start:end] = np.flatnonzero(of_clip == bucket)
            if self.training:
                draw.shuffle(order[start:end])
            starts.append(np.arange(start, end, self.sizes[bucket]))
            ends.append(np.append(starts[-1][1:], end))
        return order, np.concatenate(starts), np.concatenate(ends)


def token_loader_settings(
    lengths,
    training,
    batch_length,
    max_batch_size=64,
    bucket_length=16,
    seed=0,
    **workers,
):
    """Arguments of ``Brain.make_dataloader`` for batches of tokenised clips.

    It takes those of :class:`BucketBatches`, and others of DataLoader, such as
    :func:`~speechbrain_gogo.dataio.shards.batching.worker_settings`.
    """
    batches = BucketBatches(
        lengths, training, batch_length, max_batch_size, bucket_length, seed
    )
    return {"batch_sampler": batches, "collate_fn": PaddedBatch, **workers}
