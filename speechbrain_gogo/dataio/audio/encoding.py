"""Encoding of audio in memory.

For responses of a server: a whole file, or its bytes while the audio is
generated.
"""

import io
import struct
from typing import NamedTuple

import soundfile
import torch


class Encoding(NamedTuple):
    """A format of encoded audio: its media type and its names in soundfile."""

    media_type: str
    options: dict


ENCODINGS = {
    "mp3": Encoding(
        "audio/mpeg",  # constant bit rate: of 128 kbit/s
        {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.2},
    ),
    "wav": Encoding("audio/wav", {"format": "WAV", "subtype": "PCM_16"}),
    "flac": Encoding("audio/flac", {"format": "FLAC", "subtype": "PCM_16"}),
    "opus": Encoding("audio/ogg", {"format": "OGG", "subtype": "OPUS"}),
    # Samples alone: mono, 16 bits, little-endian.
    "pcm": Encoding("audio/pcm", {}),
}
UNKNOWN_BYTES = 2**32 - 1  # of a WAV that is sent before its end is known


def encode_whole(pieces, encoding, sample_rate, comment=""):
    """A whole file, with its length in the header if the format has one.

    Arguments
    ---------
    pieces : iterable of torch.Tensor
        Consecutive samples, float [T] each, on the CPU; clipped to [-1, 1].
    encoding : str
        One of ENCODINGS.
    sample_rate : int
        In Hz.
    comment : str
        Comment of the file's metadata, which samples alone do not have.

    Returns
    -------
    bytes

    Example
    -------
    >>> len(encode_whole([torch.zeros(8), torch.zeros(4)], "wav", 16000))
    68
    """
    if encoding == "pcm":
        return b"".join(map(_pcm, pieces))
    file = io.BytesIO()
    with _open(file, encoding, sample_rate, comment) as sound:
        for wav in pieces:
            sound.write(_clip(wav))
    return file.getvalue()


def encode_pieces(pieces, encoding, sample_rate, comment=""):
    """The bytes of a file, each as soon as it is final.

    Bytes cannot be changed afterwards, so headers do not contain the length:
    that of a WAV is 4 GiB, as is usual for streams.

    Arguments
    ---------
    pieces, encoding, sample_rate, comment
        As in :func:`encode_whole`; a WAV and an MP3 get no comment here.

    Yields
    ------
    bytes
        Not empty.

    Example
    -------
    >>> pieces = [torch.zeros(8), torch.zeros(4)]
    >>> [len(data) for data in encode_pieces(pieces, "wav", 16000)]
    [60, 8]
    """
    if encoding in ("pcm", "wav"):
        header = _wav_header(sample_rate) if encoding == "wav" else b""
        for wav in pieces:
            yield header + _pcm(wav)
            header = b""
        return
    is_mp3 = encoding == "mp3"  # whose comment would be written first
    file = _FinalBytes(skips_first=is_mp3)
    comment = "" if is_mp3 else comment
    with _open(file, encoding, sample_rate, comment) as sound:
        for wav in pieces:
            sound.write(_clip(wav))
            if data := file.take():
                yield data
    if data := file.take():
        yield data


class _FinalBytes(io.BytesIO):
    """A file whose new bytes can be taken while it is written.

    With ``skips_first`` the bytes of the first write are omitted: libsndfile
    begins an MP3 with a frame for the length, which it fills at the end. In a
    stream it would remain a frame of silence.
    """

    def __init__(self, skips_first):
        super().__init__()
        self.skips_first, self.taken = skips_first, 0

    def write(self, data):
        if self.skips_first:
            self.skips_first, self.taken = False, len(data)
        return super().write(data)

    def take(self):
        with self.getbuffer() as held:
            data = bytes(held[self.taken :])
        self.taken += len(data)
        return data


def _open(file, encoding, sample_rate, comment):
    options = ENCODINGS[encoding].options
    sound = soundfile.SoundFile(file, "w", sample_rate, 1, **options)
    if comment:
        sound.comment = comment
    return sound


def _clip(wav):
    return wav.float().clamp(-1, 1).numpy()


def _pcm(wav):
    """Samples of 16 bits, scaled as libsndfile scales them."""
    scaled = (wav.float().clamp(-1, 1) * 32767).round()
    return scaled.to(torch.int16).numpy().astype("<i2").tobytes()


def _wav_header(sample_rate):
    """The first 44 bytes of a mono WAV of 16 bits, of unknown length."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", UNKNOWN_BYTES, b"WAVE", b"fmt ", 16),
        *(1, 1, sample_rate, 2 * sample_rate, 2, 16),
        *(b"data", UNKNOWN_BYTES),
    )
