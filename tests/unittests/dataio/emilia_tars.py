"""Clips in the layout of Emilia, and loaders of them."""

import io
import json
import tarfile

import numpy as np
import soundfile as sf

from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.loader import ShardLoader


def encode(seconds, rate=24000, channels=1, kind="MP3", value=None):
    """The bytes of an audio file with a tone."""
    wav = 0.3 * np.sin(0.05 * np.arange(round(seconds * rate)))
    wav = np.repeat(wav[:, None], channels, axis=1)
    if value is not None:
        wav[len(wav) // 2] = value
    file = io.BytesIO()
    subtype = "FLOAT" if kind == "WAV" else None  # mp3 holds no NaN
    sf.write(file, wav, rate, format=kind, subtype=subtype)
    return file.getvalue()


def describe(seconds, **changes):
    """The json of a clip, as in the Emilia part of the collection."""
    meta = {
        "id": "unused",
        "wav": "unused.mp3",
        "text": " Hello there.",
        "duration": seconds,
        "speaker": "EN_B00000_S00000",
        "language": "en",
        "dnsmos": 3.3,
    }
    return json.dumps({**meta, **changes}).encode()


def clip(name, seconds=1.2, audio=None, **changes):
    """The two members of a clip."""
    audio = encode(seconds) if audio is None else audio
    return [
        (f"{name}.json", describe(seconds, **changes)),
        (f"{name}.mp3", audio),
    ]


def write_tar(path, members, **settings):
    """A tar of (name, bytes), or of a TarInfo alone for a link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **settings) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return path


def make_loader(
    folder, epoch_batches=5, num_workers=0, resume_data="exact", **settings
):
    settings = {
        "batch_seconds": 4,
        "buffer_size": 6,
        "seed": 1,
        "language": "en",
        **settings,
    }
    dataset = EmiliaShards(folder, **settings)
    return ShardLoader(
        dataset, epoch_batches, resume_data, num_workers=num_workers
    )
