"""Emilia's tar shards as batches of clips, by seconds of audio.

The paper trains on Emilia (Section 4.1) in clips of 1 to 20 seconds. This file
reads the json of a clip and decides whether the clip is used. Tars are read in
``members.py``, audio in ``audio/files.py``; ``stream.py`` makes clips a stream of
batches that can be resumed.
"""

import json
import math
import os
from dataclasses import dataclass

from speechbrain_gogo.dataio.audio.files import decode_audio
from speechbrain_gogo.dataio.ids import plain_text
from speechbrain_gogo.dataio.report import SkipClip
from speechbrain_gogo.dataio.shards.batching import usable_batch
from speechbrain_gogo.dataio.shards.members import read_members
from speechbrain_gogo.dataio.shards.stream import ClipStream
from speechbrain_gogo.dataio.shards.tars import find_shards, fingerprint_shards
from speechbrain_gogo.dataio.text.tokenizers import encode_text, normalize_words

# Errors from parsing a json of another structure.
MALFORMED = (
    *(KeyError, TypeError, ValueError, AttributeError),
    *(RecursionError, OverflowError),  # of a float from too large an integer
)


@dataclass(eq=False)
class EmiliaShards(ClipStream):
    """Emilia and Emilia-YODAS tars as a stream of padded batches.

    A batch holds ``id``, ``sig`` (float32, 24 kHz, mono), ``wrd`` (stripped
    text), ``duration`` in seconds and ``speaker``. All random numbers depend on
    (seed, pass over the shards, first shard of a mix): two runs with the same
    numbers of ranks and workers see the same batches, and every pass has another
    order. Clips in the buffer are not decoded yet.

    Arguments
    ---------
    shards : str, Path or list of them
        Whatever :func:`~speechbrain_gogo.dataio.shards.tars.find_shards`
        accepts.
    batch_seconds : float
        Largest batch, padding included. A longer clip is a batch of its own.
    max_batch_size : int
        Most clips in a batch.
    buffer_size : int
        Clips from which batches of similar lengths are sampled; it is
        refilled as they are used.
    mixed_shards : int
        In training, shards that a worker reads together, a clip of each in
        turn. The buffer holds clips of one such mix at a time. A resumed
        training reads its current mix again.
    seed : int
        Seed of all random orders.
    training : bool
        True: endless passes, shards and clips shuffled, shards split over
        the ranks. False: one pass in order, the same on every rank.
    split_batches : bool
        Not in training: each of R ranks gets every R-th batch.
    language : str
        Only clips of this language; all if None.
    min_duration, max_duration : float
        Only clips of this many seconds, both inclusive.
    min_dnsmos : float
        Only clips with this DNSMOS or more; all if None.
    sample_rate : int
        Sample rate of ``sig``, in Hz.
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

    shards: str | list
    batch_seconds: float
    max_batch_size: int = 64
    buffer_size: int = 512
    mixed_shards: int = 1
    seed: int = 0
    training: bool = True
    split_batches: bool = False
    language: str | None = None
    min_duration: float = 1.0
    max_duration: float = 20.0
    min_dnsmos: float | None = None
    sample_rate: int = 24000
    tokenizer: object = None

    # Suffixes of the members of a clip.
    AUDIO, TEXTS = ("mp3",), ("json",)

    def __post_init__(self):
        self.shards = find_shards(self.shards)
        self.contents = fingerprint_shards(self.shards)

    def clips(self, shard, report):
        """Yield the clips of a shard that pass the filters, undecoded.

        They are items of a batch, with the bytes "audio" in place of "sig";
        ``report`` counts the others.
        """
        found = read_members(shard, report, self.AUDIO, self.TEXTS)
        for name, members in found:
            try:
                clip = self._describe(members)
            except SkipClip as reason:
                report[str(reason)] += 1
            else:
                yield {"id": self._id(name), **clip}

    def _id(self, name):
        return os.path.basename(name)

    def _describe(self, members):
        """Read a clip's json; raise SkipClip if it does not pass the filters."""
        for suffix, missing in (("json", "no json"), ("mp3", "no audio")):
            if suffix not in members:
                raise SkipClip(missing)
        try:
            meta = json.loads(members["json"])
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
        return {**clip, "audio": members["mp3"]}

    def decode(self, clips, report):
        """A PaddedBatch of undecoded clips, see :func:`usable_batch`."""
        return usable_batch(clips, self._read, report)

    def _read(self, clip):
        claim = clip["duration"], self.sample_rate, clip["id"]
        sig = decode_audio(clip.pop("audio"), *claim)
        return {**clip, "sig": sig}
