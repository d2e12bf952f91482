"""An open audio file: checks of its header, and its samples in pieces."""

import math
import os
from pathlib import Path

import torch

from speechbrain_gogo.dataio.audio.decoder import (
    LIBRARY_ERRORS,
    ends_with_last_page,
    open_decoder,
    sphere_samples,
)
from speechbrain_gogo.dataio.audio.mp3 import with_all_frames
from speechbrain_gogo.dataio.audio.placeholders import with_true_lengths
from speechbrain_gogo.dataio.audio.view import FileView, file_size
from speechbrain_gogo.dataio.audio.waveform import (
    AudioError,
    check_finite,
    to_mono,
)

# A header may claim any length. No audio codec has more samples per byte, so a
# longer claim is an error in the header or an attack.
MAX_SAMPLES_PER_BYTE = 512
UNKNOWN = 2**63 - 1  # libsndfile's number of samples for FLAC without one

SKIPPED = 2**20  # samples to skip at a time


class Sound:
    """An audio file that is read once, from beginning to end.

    ``sample_rate`` is in Hz; ``num_samples`` is the number in the header, None
    if it has none. ``source`` is a Path or a binary file, in any format of
    libsndfile; it is closed with the sound. Errors call it ``name``. Raises an
    AudioError if it is unreadable, empty, truncated, or claims more samples
    than it can hold.

    Example
    -------
    >>> import io
    >>> import soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, [[0.5, -0.5]] * 8000, 16000, format="FLAC")
    >>> with Sound(file, "a tone") as sound:
    ...     sound.num_samples, sum(len(piece) for piece in sound.pieces(0.1))
    (8000, 8000)
    """

    def __init__(self, source, name):
        self.name, by_path = name, isinstance(source, Path)
        self._file = source.open("rb") if by_path else source
        self._size, self._place = file_size(self._file), 0
        # With a path, libsndfile reads the file itself, which is faster.
        # Of the suffix .raw, it would ask for the format.
        direct = by_path and source.suffix.lower() != ".raw"
        seen = os.fsencode(source) if direct else FileView(self._file)
        try:
            self._decoder = open_decoder(
                with_true_lengths(self._file) or seen, name
            )
            self.sample_rate = self._decoder.samplerate
            self.num_samples = self._decoder.frames
            if self._decoder.format == "MP3":
                self._expect_all_frames()
            elif self.num_samples == UNKNOWN:
                self.num_samples = None
            self._check_header()
        except AudioError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file."""
        if hasattr(self, "_decoder"):
            self._decoder.close()
        self._file.close()

    def pieces(self, seconds=30.0):
        """Yield the samples up to the end, in pieces: mono, float32 [T].

        Pieces of ``seconds``; concatenated, they equal the samples of
        :meth:`read`. Raises an AudioError if the file is truncated or has
        samples that are not finite.
        """
        block = max(1, int(seconds * self.sample_rate))
        while self._place != self.num_samples:
            samples = self._read(block)
            if len(samples) == 0:
                break
            yield samples
        if self._place == 0:
            raise AudioError("empty audio", f"{self.name} holds no samples.")
        if self.num_samples is not None and self._place < self.num_samples:
            raise AudioError(
                "truncated audio",
                f"{self.name} claims {self.num_samples} samples and holds "
                f"{self._place}.",
            )

    def read(self, longest=math.inf, too_long=None):
        """All samples at once: mono, float32 [T].

        A file that lasts more than ``longest`` seconds is refused, by the error
        ``too_long`` if it is given, if possible before memory is allocated;
        other errors are those of :meth:`pieces`.
        """
        most = longest * self.sample_rate
        if (self.num_samples or 0) > most:
            raise too_long or AudioError(
                "impossible header",
                f"{self.name} claims {self.num_samples} samples in "
                f"{longest:.2f} s.",
            )
        found, seen = [], 0
        for piece in self.pieces():
            found.append(piece)
            seen += len(piece)
            if seen > most:
                raise too_long or AudioError(
                    "not as long as its row says",
                    f"{self.name} lasts longer than {longest:.2f} s.",
                )
        return found[0] if len(found) == 1 else torch.cat(found)

    def read_part(self, first, end=None):
        """The samples from ``first`` until before ``end``: mono, float32 [T].

        None is the end of the file. Raises an AudioError if the file does not
        contain the whole part, or samples are not finite.
        """
        stop = self.num_samples if end is None else end
        if self.num_samples and not first < stop <= self.num_samples:
            raise self._no_part(first, end)
        self._check_size(stop or first)
        self._go_to(first)
        if stop is not None:
            wav = self._read(stop - first)
        else:
            found = list(self.pieces())
            wav = torch.cat(found) if found else torch.zeros(0)
        if len(wav) == 0 or (stop is not None and len(wav) < stop - first):
            raise self._no_part(first, end)
        return wav

    def duration(self):
        """Seconds, found by reading the file if the header has no length."""
        samples = self.num_samples or sum(len(wav) for wav in self.pieces())
        return samples / self.sample_rate

    # Helpers

    def _read(self, count):
        """Read the next samples, mono [T]; fewer at the end."""
        try:
            samples = self._decoder.read(count, dtype="float32", always_2d=True)
        except LIBRARY_ERRORS as error:
            raise AudioError(
                "truncated audio", f"{self.name} breaks off: {error}"
            ) from None
        self._place += len(samples)
        self._check_size(self._place)
        wav = to_mono(torch.from_numpy(samples))
        if len(wav):
            check_finite(wav, self.name)
        return wav

    def _go_to(self, place):
        """Set the position, by seeking if that is exact, else by reading."""
        if self.num_samples and self._decoder.seeks_exactly:
            self._decoder.seek(place)
            self._place = place
        while self._place < place:
            if not len(self._read(min(place - self._place, SKIPPED))):
                break

    def _no_part(self, first, end):
        return AudioError(
            "part beyond its file",
            f"{self.name} has {self.num_samples or self._place} samples, its "
            f"row says {first} to {end}.",
        )

    def _expect_all_frames(self):
        """Make libsndfile decode an MP3 to its end."""
        longer = with_all_frames(self._file)
        if longer is None:
            # Without it, samples differ in the last bit from reading at once.
            self._decoder.seek(0)
        else:
            self._decoder.close()
            self._decoder = open_decoder(longer, self.name)
            self.num_samples = None

    def _check_header(self):
        """Raise an error for truncated or empty files and impossible lengths."""
        claimed, held = self._decoder.sample_bytes()
        unit = "bytes of samples"
        if self._decoder.format == "NIST":
            claimed, held = sphere_samples(self._file), self.num_samples
            unit = "samples"
        if claimed > held:  # libsndfile replaces the claim
            raise AudioError(
                "truncated audio",
                f"{self.name} claims {claimed} {unit} and holds {held}.",
            )
        ends = self._decoder.format != "OGG" or ends_with_last_page(self._file)
        if not ends:
            raise AudioError(
                "truncated audio", f"{self.name} has no last page."
            )
        if self.num_samples == 0:
            raise AudioError("empty audio", f"{self.name} holds no samples.")
        self._check_size(self.num_samples or 0)

    def _check_size(self, samples):
        """Raise an error for more samples than the file can contain."""
        if samples > MAX_SAMPLES_PER_BYTE * self._size:
            raise AudioError(
                "impossible header",
                f"{self.name} claims {samples} samples in {self._size} bytes.",
            )
