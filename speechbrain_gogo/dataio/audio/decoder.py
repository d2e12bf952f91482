"""Decoding by libsndfile, and detection of truncated files."""

import os
import re

import soundfile

from speechbrain_gogo.dataio.audio.waveform import AudioError

# libsndfile's messages for WAV, AIFF, AU, W64 and RF64 with missing samples.
TOO_SHORT = re.compile(
    r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)",
    re.MULTILINE,
)
# Samples by the header of NIST SPHERE, of which libsndfile says nothing.
SPHERE_SAMPLES = re.compile(rb"^sample_count -i (\d+)", re.MULTILINE)
SPHERE_HEADER = 4096  # bytes; most have 1024
OGG_PAGE = 65307  # bytes, at most
LIBRARY_ERRORS = RuntimeError  # soundfile's errors are a kind of it


class Decoder(soundfile.SoundFile):
    """soundfile without its seek after every block.

    After such a seek, libsndfile 1.2.2 decodes other samples of an MP3 than
    when it reads the file at once, and fails for telephone formats (GSM 6.10,
    G.721).
    """

    INEXACT = ("MP3", "OGG")

    def seekable(self):
        """False, so that soundfile does not seek."""
        return False

    @property
    def seeks_exactly(self):
        """Whether a seek leads to the requested sample."""
        return super().seekable() and self.format not in self.INEXACT

    def sample_bytes(self):
        """Bytes of samples that the header claims, and that the file has.

        Both are 0 if libsndfile does not report a difference.
        """
        found = TOO_SHORT.search(self.extra_info)
        return (int(found[1]), int(found[2])) if found else (0, 0)


def open_decoder(file, name):
    """A decoder at the first sample of a path (bytes) or an open file.

    Raises an AudioError with the file's name if it is no audio file.
    """
    try:
        return Decoder(file)
    except LIBRARY_ERRORS as error:
        reason = getattr(error, "error_string", error)
        raise AudioError(
            "unreadable audio", f"{name} is no audio file: {reason}"
        ) from None


def sphere_samples(file):
    """Samples that the header of a NIST SPHERE file claims; 0 if it has none."""
    file.seek(0)
    found = SPHERE_SAMPLES.search(file.read(SPHERE_HEADER))
    return int(found[1]) if found else 0


def ends_with_last_page(file):
    """Whether the last page of an Ogg file is complete and marked as such.

    A page is a header of 27 bytes (byte 5: flags, byte 26: number of segments),
    the lengths of the segments, and the segments.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(-min(2 * OGG_PAGE, size), os.SEEK_END)
    end = file.read()
    page = end[max(0, end.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and 27 + page[26] + sum(segments) <= len(page)
