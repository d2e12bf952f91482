"""Emilia clips: from tar shards to batches by seconds of audio.

The paper trains on Emilia (Section 4.1) in clips of 1 to 20 seconds. Here is
what a clip's json means, which clips are used, and how they form batches. Tars
are read in ``shards.py``, the audio in ``audio.py``; ranks, epochs and resuming
are in ``shard_loader.py``.
"""

import itertools
import json
import math
import os
import zlib
from typing import NamedTuple

from speechbrain.dataio.batch import PaddedBatch
from torch.utils.data import IterableDataset, get_worker_info

from speechbrain_gogo.dataio.audio.files import decode_audio
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.ids import escape_bytes, plain_text
from speechbrain_gogo.dataio.report import ClipReport, SkipClip
from speechbrain_gogo.dataio.shards.batching import batches_by_seconds
from speechbrain_gogo.dataio.shards.members import read_members
from speechbrain_gogo.dataio.shards.tars import (
    find_shards,
    fingerprint_shards,
    split_shards,
)
from speechbrain_gogo.dataio.text.tokenizers import encode_text, normalize_words

# What parsing a json of another shape raises.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


class Item(NamedTuple):
    """What a worker sends: a batch, and how far that brings it.

    ``batch`` is None where only counts are left to report. ``report`` is a
    plain dict (pinning memory would double a Counter). ``position`` is the
    worker's (pass, shard in its list, batches of that shard) after this item.
    """

    batch: PaddedBatch | None
    report: dict
    worker: int
    position: tuple


class EmiliaShards(IterableDataset):
    """Emilia and Emilia-YODAS tars as a stream of padded batches.

    A batch holds ``id``, ``sig`` (float32, 24 kHz, mono), ``wrd`` (stripped
    text), ``duration`` in seconds and ``speaker``. Everything random is drawn
    from (seed, pass over the shards, shard), so two runs over as many ranks
    and workers see the same batches. Clips wait in the buffer undecoded.

    Arguments
    ---------
    shards : str, Path or list of them
        What :func:`~speechbrain_gogo.dataio.shards.tars.find_shards` accepts.
    batch_seconds : float
        Largest batch, padding included. A longer clip is a batch of its own.
    max_batch_size : int
        Most clips in a batch.
    buffer_size : int
        Clips among which batches of like lengths are drawn; it is refilled
        as they leave and never reaches into the next shard.
    seed : int
        Of all orders.
    training : bool
        True: endless passes, shards and clips shuffled, shards split over
        the ranks. False: one pass in order, the same on every rank.
    language : str
        Only clips of this language; all if None.
    min_duration, max_duration : float
        Only clips of this many seconds, both inclusive.
    min_dnsmos : float
        Only clips with this DNSMOS or more; all if None.
    sample_rate : int
        Of ``sig``, in Hz.
    tokenizer : sentencepiece.SentencePieceProcessor
        Adds ``text``, the text tokens of ``wrd``; None leaves them out.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> EmiliaShards(folder, batch_seconds=60)
    Traceback (most recent call last):
    ...
    ValueError: No tar file at ...
    """

    # Attributes that are no settings: they leave the order of clips alone.
    NO_SETTINGS = ("positions", "turn", "tokenizer", "contents")

    def __init__(
        self,
        shards,
        batch_seconds,
        max_batch_size=64,
        buffer_size=512,
        seed=0,
        training=True,
        language=None,
        min_duration=1.0,
        max_duration=20.0,
        min_dnsmos=None,
        sample_rate=24000,
        tokenizer=None,
    ):
        super().__init__()
        self.shards = find_shards(shards)
        self.contents = fingerprint_shards(self.shards)
        self.batch_seconds = batch_seconds
        self.max_batch_size = max_batch_size
        self.buffer_size = buffer_size
        self.seed = seed
        self.training = training
        self.language = language
        self.min_duration = min_duration
        self.max_duration = max_duration
        self.min_dnsmos = min_dnsmos
        self.sample_rate = sample_rate
        self.tokenizer = tokenizer
        self.resume(positions=None, turn=0)

    def resume(self, positions, turn):
        """Let the next iteration start where another one stopped.

        Arguments
        ---------
        positions : list of tuple
            The last position of each worker's items; the start if None.
        turn : int
            The worker whose item comes next. Those before it send an empty
            item first, so that the turns fall as without the stop.
        """
        self.positions, self.turn = positions, turn

    @property
    def settings(self):
        """All that decides the order of clips, as JSON-able values."""
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
            seed = f"{self.seed}/{number}" if self.training else None
            shards = split_shards(self.shards, seed, over_ranks=self.training)
            total, fresh = ClipReport(), start == skip == 0
            for index in range(start, len(shards)):
                report = ClipReport()
                batches = self.batches(shards[index], report, number)
                for done, clips in enumerate(batches, start=1):
                    if done > skip:  # else used, and counted, before a stop
                        batch = self.decode(clips, report)
                        total.update(report)
                        position = (number, index, done)
                        yield Item(batch, dict(report), worker, position)
                    report.clear()
                total.update(report)
                yield Item(None, dict(report), worker, (number, index + 1, 0))
                skip = 0
            if fresh and not total.used:
                raise ValueError(
                    f"No usable clip in {len(shards)} shards of worker "
                    f"{worker} (first: {shards[0]}): {total}. Check the "
                    "folder and the filters, or use fewer workers."
                )
            start = 0

    def batches(self, shard, report, number=0):
        """Lists of undecoded clips of like lengths from one shard.

        Arguments
        ---------
        shard : str
            One of ``shards``.
        report : ClipReport
            Counts the clips that are skipped.
        number : int
            Of the pass; each draws other batches.

        Returns
        -------
        iterator of list of dict
        """
        return batches_by_seconds(
            self.clips(shard, report),
            self.batch_seconds,
            self.max_batch_size,
            self.buffer_size,
            seed=f"{self.seed}/{number}/{escape_bytes(os.path.basename(shard))}",
        )

    def clips(self, shard, report):
        """Yield the clips of a shard that pass the filters, undecoded.

        Arguments
        ---------
        shard : str
            One of ``shards``.
        report : ClipReport
            Counts those that do not.

        Yields
        ------
        dict
            What a batch holds, with the bytes "audio" in place of "sig".
        """
        for key, members in read_members(shard, report, ("mp3",), ("json",)):
            try:
                for suffix, missing in (
                    ("json", "no json"),
                    ("mp3", "no audio"),
                ):
                    if suffix not in members:
                        raise SkipClip(missing)
                clip = self._describe(members["json"])
            except SkipClip as reason:
                report[str(reason)] += 1
            else:
                audio = members["mp3"]
                yield {"id": os.path.basename(key), **clip, "audio": audio}

    def _describe(self, description):
        """Read a clip's json and hold it against the filters."""
        try:
            meta = json.loads(description)
            clip = {
                "wrd": plain_text(meta["text"]).strip(),
                "duration": float(meta["duration"]),
                "speaker": plain_text(str(meta["speaker"])),
            }
            language = meta["language"]
            dnsmos = float(meta["dnsmos"]) if self.min_dnsmos else math.inf
        except MALFORMED as error:
            raise SkipClip("invalid json") from error
        passes = {
            "other language": self.language in (None, language),
            "too short": clip["duration"] >= self.min_duration,
            "too long": clip["duration"] <= self.max_duration,
            "low DNSMOS": dnsmos >= (self.min_dnsmos or 0),
            "empty text": normalize_words(clip["wrd"]),
        }
        for reason, passed in passes.items():
            if not passed:
                raise SkipClip(reason)
        if self.tokenizer is not None:
            clip["text"] = encode_text(self.tokenizer, clip["wrd"])
        return clip

    def decode(self, clips, report):
        """Make a batch of those clips whose audio is sound.

        Arguments
        ---------
        clips : list of dict
            Of :meth:`batches`.
        report : ClipReport
            Counts those used and the others by reason.

        Returns
        -------
        PaddedBatch
            None if no clip can be used.
        """
        decoded = []
        for clip in clips:
            try:
                claim = clip["duration"], self.sample_rate, clip["id"]
                clip["sig"] = decode_audio(clip.pop("audio"), *claim)
            except AudioError as error:
                report[error.reason] += 1
            else:
                decoded.append(clip)
        report["used"] += len(decoded)
        return PaddedBatch(decoded) if decoded else None
