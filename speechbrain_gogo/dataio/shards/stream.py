"""Clips of shards as a stream of batches that can be resumed.

A subclass reads the clips of a shard (see ``emilia.py``). This file defines the
passes over the shards: shards are distributed over ranks and workers and shuffled
before each pass, several are read together so that batches mix their clips, and a
stopped pass can be resumed at a position. Nominal epochs and checkpoints are in
``loader.py``.
"""

import itertools
import os
import zlib
from typing import NamedTuple

from speechbrain.dataio.batch import PaddedBatch
from torch.utils.data import IterableDataset, get_worker_info
from webdataset.utils import pytorch_worker_info

from speechbrain_gogo.dataio.ids import escape_bytes
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.batching import batches_by_seconds
from speechbrain_gogo.dataio.shards.tars import split_shards


class Item(NamedTuple):
    """What a worker sends: a batch and its position after the batch.

    ``batch`` is None if there are only counts to report. ``report`` is a
    plain dict (pinned memory would double the counts of a Counter). ``position`` is the
    worker's (pass, mix in its list, batches of that mix) after this item.
    """

    batch: PaddedBatch | None
    report: dict
    worker: int
    position: tuple


def interleaved(streams):
    """One item of each stream in turn, until all have ended.

    Example
    -------
    >>> "".join(interleaved(["adf", "b", "ceg"]))
    'abcdefg'
    """
    streams = [iter(stream) for stream in streams]
    while streams:
        going = []
        for stream in streams:
            for item in itertools.islice(stream, 1):
                going.append(stream)
                yield item
        streams = going


class ClipStream(IterableDataset):
    """Passes over shards, as batches of clips of similar lengths.

    A subclass has ``clips(shard, report)``, an iterator of clips that are not
    decoded, ``decode(clips, report)``, which makes a batch, and the attributes
    ``shards``, ``contents``, ``batch_seconds``, ``max_batch_size``, ``buffer_size``,
    ``mixed_shards``, ``seed``, ``training`` and ``split_batches`` of
    :class:`~speechbrain_gogo.dataio.shards.emilia.EmiliaShards`.
    """

    # Attributes that are not settings: the order of clips does not depend on them.
    NO_SETTINGS = ("positions", "turn", "tokenizer", "contents")
    positions, turn = None, 0

    def resume(self, positions, turn):
        """Set where the next iteration starts.

        ``positions`` are the last ones of each worker's items; None is the
        start. The item of worker ``turn`` comes next: workers before it send an
        empty item first, so that they take turns as without the stop.
        """
        self.positions, self.turn = positions, turn

    @property
    def settings(self):
        """All that decides the order of clips, as values that JSON can store."""
        names = "\n".join(os.path.basename(path) for path in self.shards)
        return {
            **{
                k: v for k, v in vars(self).items() if k not in self.NO_SETTINGS
            },
            "shards": len(self.shards),
            "shard names": f"{zlib.crc32(os.fsencode(names)):08x}",
            "shard contents": self.contents,
        }

    def __iter__(self):
        """Yield :class:`Item` from this worker's shards, pass after pass."""
        info = get_worker_info()
        worker = info.id if info else 0
        position = self.positions[worker] if self.positions else (0, 0, 0)
        if worker < self.turn:
            yield Item(None, {}, worker, position)
        start_pass, start, skip = position
        for number in itertools.count(start_pass) if self.training else [0]:
            mixes = self._mixes(number)
            total, fresh = ClipReport(), start == skip == 0
            for index in range(start, len(mixes)):
                report = ClipReport()
                batches = self._batches(mixes[index], report, number)
                for done, clips in enumerate(batches, start=1):
                    # Earlier ones were used and counted before the stop.
                    if done > skip:
                        batch = self.decode(clips, report)
                        total.update(report)
                        position = (number, index, done)
                        yield Item(batch, dict(report), worker, position)
                    report.clear()
                total.update(report)
                yield Item(None, dict(report), worker, (number, index + 1, 0))
                skip = 0
            # If there are few batches, the last ranks may get none.
            alone = self.split_batches and pytorch_worker_info()[0] > 0
            if fresh and not total.used and not alone:
                raise ValueError(
                    f"No usable clip in {sum(map(len, mixes))} shards of "
                    f"worker {worker} (first: {mixes[0][0]}): {total}. Check "
                    "the folder and the filters, or use fewer workers."
                )
            start = 0

    def _mixes(self, number):
        """Shards of one worker in the order of a pass, mix by mix."""
        seed = f"{self.seed}/{number}" if self.training else None
        shards = split_shards(self.shards, seed, over_ranks=self.training)
        size = self.mixed_shards if self.training else 1
        return [shards[at : at + size] for at in range(0, len(shards), size)]

    def batches(self, shard, report):
        """Yield lists of clips of similar lengths of a shard, not decoded yet.

        ``report`` counts the clips that are skipped.
        """
        return self._batches([shard], report, number=0)

    def _batches(self, shards, report, number):
        """The same for several shards, in the pass of this number."""
        first = escape_bytes(os.path.basename(shards[0]))
        rank, ranks, *_ = pytorch_worker_info()
        # Ranks that split batches all read the same clips: one counts them.
        listed = ClipReport() if self.split_batches and rank > 0 else report
        batches = batches_by_seconds(
            interleaved(self.clips(shard, listed) for shard in shards),
            self.batch_seconds,
            self.max_batch_size,
            self.buffer_size,
            seed=f"{self.seed}/{number}/{first}",
        )
        if self.split_batches:
            return itertools.islice(batches, rank, None, ranks)
        return batches
