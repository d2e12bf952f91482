"""WebDataset shards of speech in general: audio with optional metadata.

Emilia's tars contain text, speaker, language and duration of every clip, and
``emilia.py`` requires them. Here a clip is an audio member,
``<name>.<wav, flac, mp3 ...>``; a json (text, speaker, duration) or a txt of its
key is optional. The clip's id is the name with its folders: files of the same
name in several folders are several clips.
"""

import io
import json
import math

from speechbrain_gogo.dataio.audio.sound import Sound
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.ids import plain_text
from speechbrain_gogo.dataio.report import SkipClip
from speechbrain_gogo.dataio.shards.emilia import MALFORMED, EmiliaShards


class AudioShards(EmiliaShards):
    """Tars of speech, read once and in order, as a source of batches.

    Arguments
    ---------
    shards, batch_seconds, **settings
        As in EmiliaShards, with its ``max_batch_size``, ``min_duration``,
        ``max_duration`` and ``sample_rate``.
    """

    # Formats that libsndfile reads, in order of preference, then others, which
    # are counted as unreadable.
    AUDIO = (
        *("wav", "flac", "mp3", "ogg", "opus", "oga", "wave", "aiff", "aif"),
        *("au", "caf", "w64", "rf64", "m4a", "aac", "mp4", "wma", "amr", "sph"),
    )
    TEXTS = ("json", "txt")

    def __init__(self, shards, batch_seconds, **settings):
        super().__init__(shards, batch_seconds, training=False, **settings)

    @property
    def settings(self):
        """Those of EmiliaShards, and the kind of ids, which cannot be mixed."""
        return {**super().settings, "ids": "whole paths"}

    def _id(self, name):
        return name

    def _describe(self, members):
        """Metadata of a clip; the duration of the audio if none is given."""
        found = [suffix for suffix in self.AUDIO if suffix in members]
        if not found:
            raise SkipClip("no audio")
        audio = members[found[0]]
        try:
            metadata = json.loads(members.get("json", b"{}"))
            text = metadata.get("text") or _written(members)
            speaker = metadata.get("speaker")
            clip = {
                "wrd": plain_text(str(text)).strip(),
                "speaker": "" if speaker is None else plain_text(str(speaker)),
                "duration": float(metadata.get("duration") or _duration(audio)),
                "audio": audio,
            }
        except MALFORMED as error:
            raise SkipClip("invalid json") from error
        if not 0 < clip["duration"] < math.inf:
            raise SkipClip("impossible duration")
        if clip["duration"] < self.min_duration:
            raise SkipClip("too short")
        if clip["duration"] > self.max_duration:
            raise SkipClip("too long")
        return clip


def _written(members):
    """Text of a clip's txt, "" without one."""
    try:
        return members.get("txt", b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SkipClip("invalid txt") from error


def _duration(audio):
    """Seconds of an audio file, also if its header does not contain them."""
    try:
        with Sound(io.BytesIO(audio), "the clip") as sound:
            return sound.duration()
    except AudioError as error:
        if error.reason == "empty audio":
            return 0.0  # skipped as an impossible duration
        raise SkipClip(error.reason) from error
