"""A SpeechBrain CSV manifest split into shards.

Work that lasts for hours, such as tokenizing a corpus, is done shard by shard. A
:class:`ManifestShards` has the interface of ``EmiliaShards``: names of shards,
batches of a shard's clips, and counts of the clips that are skipped.
"""

import json
import os
import zlib
from pathlib import Path

from speechbrain_gogo.dataio.audio.clips import WHOLE, check_duration, read_clip
from speechbrain_gogo.dataio.ids import escape_bytes, plain_text, unfit_id
from speechbrain_gogo.dataio.manifests.dataset import reason_to_skip
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.shards.batching import (
    batches_by_seconds,
    usable_batch,
)


class ManifestShards:
    """The rows of a manifest, in shards of a fixed number of rows.

    Arguments
    ---------
    csv_path : str | Path
        SpeechBrain CSV manifest with ID, duration (seconds), wav, wrd and,
        optionally, spk_id.
    data_root : str | Path
        Replaces ``$data_root`` in the manifest.
    batch_seconds : float
        Largest batch, padding included.
    clips_per_shard : int
        Rows per shard.
    max_batch_size : int
        Most clips in a batch.
    sample_rate : int
        Sample rate of ``sig``, in Hz.
    min_duration, max_duration : float
        Only clips of this many seconds, both inclusive. Their copies may be
        longer by what the augmentation adds, and a batch of them with it.
    copies : int
        Changed copies of each clip, named "<id>-copy1" and so on, in shards
        after those of the clips themselves. The language model of a small
        corpus learns from them that the tokens of the same speech depend on
        where groups begin.
    augmentation : ClipAugmentation
        Changes the copies.

    Raises
    ------
    ValueError
        If the manifest or a column is missing, no row can be used, an id
        cannot be the name of a file or is that of another clip's copy, or
        copies have no augmentation.
    """

    def __init__(
        self,
        csv_path,
        data_root,
        batch_seconds,
        clips_per_shard=1000,
        max_batch_size=64,
        sample_rate=24000,
        min_duration=1.0,
        max_duration=20.0,
        copies=0,
        augmentation=None,
    ):
        if not isinstance(copies, int) or copies < 0:
            raise ValueError(f"copies={copies}: give a number, 0 or more.")
        if copies and augmentation is None:
            raise ValueError(
                f"{csv_path}: {copies} copies of each clip need an augmentation "
                "that changes them, or all would have the same tokens."
            )
        self.copies, self.augmentation = copies, augmentation
        self.batch_seconds = batch_seconds
        self.clips_per_shard = clips_per_shard
        self.max_batch_size = max_batch_size
        self.sample_rate = sample_rate
        self.min_duration = min_duration
        self.max_duration = max_duration
        self.csv_path = Path(csv_path)
        self.data_root = Path(data_root)
        rows, self._misread = read_manifest(csv_path, data_root)
        if not rows:
            raise ValueError(f"{csv_path} has no usable row: {self._misread}.")
        clips = self._with_copies(rows)
        for key in (clip["id"] for clip in clips):
            if reason := unfit_id(key):
                raise ValueError(
                    f"{csv_path}: the id '{plain_text(key[:80])}' {reason} "
                    "and cannot be the name of a file: rename the clip."
                )
        starts = range(0, len(clips), clips_per_shard)
        self._clips = {
            f"{escape_bytes(self.csv_path.name)} from row {start}": clips[
                start : start + clips_per_shard
            ]
            for start in starts
        }
        self.shards = list(self._clips)

    def _with_copies(self, rows):
        """The clips of a manifest, then the first copy of each, and so on."""
        clips = [{"id": key, "copy": 0, **row} for key, row in rows.items()]
        for copy in range(1, self.copies + 1):
            for key, row in rows.items():
                name = f"{key}-copy{copy}"
                if name in rows:
                    raise ValueError(
                        f"{self.csv_path}: the clip '{name}' has the name of a "
                        f"copy of '{key}': rename it."
                    )
                clips.append({"id": name, "copy": copy, **row})
        return clips

    @property
    def wavs(self):
        """The audio file of each id."""
        listed = (clip for clips in self._clips.values() for clip in clips)
        return {clip["id"]: clip["wav"] for clip in listed}

    @property
    def parts(self):
        """First and last sample of each id that is a part of its file."""
        listed = (clip for clips in self._clips.values() for clip in clips)
        known = ((clip["id"], clip["samples"]) for clip in listed)
        return {key: samples for key, samples in known if samples != WHOLE}

    @property
    def settings(self):
        """All that decides which clips are in which shard, as JSON.

        It includes size and time of the audio files: tokens of a file that was
        replaced must not be used again.
        """
        content = zlib.crc32(self.csv_path.read_bytes())
        audio = zlib.crc32("\n".join(map(_stamp, self.wavs.values())).encode())
        copies = {}
        if self.copies:
            copies["copies"] = self.copies
            changes = json.dumps(vars(self.augmentation))
            copies["augmentation"] = json.loads(changes)  # no tuples
        return {
            **copies,
            "manifest": f"{self.csv_path.name} {content:08x}",
            "audio": f"{audio:08x}",
            "data_root": str(self.data_root.resolve()),
            "clips_per_shard": self.clips_per_shard,
            "sample_rate": self.sample_rate,
            "min_duration": self.min_duration,
            "max_duration": self.max_duration,
        }

    def batches(self, shard, report):
        """Yield lists of clips of similar lengths of a shard, without audio.

        ``report`` counts the rows that are skipped; in the first shard also
        those that could not be read as rows.
        """
        if shard == self.shards[0]:
            report.update(self._misread)
        return batches_by_seconds(
            self._usable(shard, report),
            self.batch_seconds,
            self.max_batch_size,
            seed=shard,
        )

    def _usable(self, shard, report):
        """The clips of a shard that can be used according to the manifest."""
        for clip in self._clips[shard]:
            reason = reason_to_skip(clip, self.min_duration, self.max_duration)
            if reason is None:
                yield clip
            else:
                report[reason] += 1

    def decode(self, clips, report):
        """A PaddedBatch with id, sig, wrd, speaker; see :func:`usable_batch`."""
        return usable_batch(clips, self._read, report)

    def _read(self, clip):
        path, duration = clip["wav"], clip["duration"]
        wav = read_clip(path, self.sample_rate, clip["samples"])
        check_duration(len(wav) / self.sample_rate, duration, path)
        if clip["copy"]:
            wav = self.augmentation(wav, clip["copy"], clip["id"])
        return {
            "id": clip["id"],
            "sig": wav,
            "wrd": clip["wrd"].strip(),
            "speaker": clip["spk_id"],
        }


def _stamp(path):
    """Size and time of a file, as text."""
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"
