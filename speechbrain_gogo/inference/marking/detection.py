"""Detection of watermarks in audio files."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.waveform import check_rate
from speechbrain_gogo.inference.marking.metadata import says_synthetic
from speechbrain_gogo.inference.marking.watermarks import load_watermark

# Audio is judged in windows, so that a part of it that is watermarked is found
# and memory does not grow with its length.
WINDOW_SECONDS = 5.0
# With less audio the detector raises false alarms, see docs/responsible_use.md.
LEAST_SECONDS = 1.0
THRESHOLD = 0.5  # of Perth's scores, which are close to 0 or to 1

VERDICTS = {True: "watermarked", False: "not watermarked", None: "cannot tell"}


@dataclass(frozen=True)
class Detection:
    """Evidence of the origin of an audio file.

    file: its path; probability: highest score of the detector in any window, in
    [0, 1], None without a score; verdict: in words; seconds: duration; windows:
    (start, end, score) of each window, in seconds, score None for silence;
    says_synthetic: whether its metadata marks it as synthetic.
    """

    file: str
    probability: float | None
    verdict: str
    seconds: float
    windows: tuple
    says_synthetic: bool


def detect_file(path, watermark="perth"):
    """Look for a watermark in an audio file of any length, rate and channels.

    Returns a Detection.
    """
    with open_audio(path) as sound:
        rate = sound.sample_rate
        check_rate(rate, rate, str(path))
        pieces = sound.pieces(WINDOW_SECONDS)
        windows = score_windows(pieces, rate, watermark)
    scores = [score for *_, score in windows if score is not None]
    highest = max(scores, default=None)
    return Detection(
        file=str(Path(path)),
        probability=highest,
        verdict=VERDICTS[None if highest is None else highest >= THRESHOLD],
        seconds=windows[-1][1],
        windows=windows,
        says_synthetic=says_synthetic(path),
    )


def score_windows(pieces, rate, watermark="perth"):
    """Scores of consecutive windows, float [T] of WINDOW_SECONDS each but the last.

    Returns tuples of start and end in seconds, and the score; None for silence or
    less than LEAST_SECONDS.
    """
    detector = load_watermark(watermark)
    windows, samples = [], 0
    for wav in join_short_end(pieces, rate):
        score = detector.score(wav, rate)
        if math.isnan(score) or len(wav) < LEAST_SECONDS * rate:
            score = None
        start, samples = samples, samples + len(wav)
        windows.append((start / rate, samples / rate, score))
    return tuple(windows)


def join_short_end(pieces, rate):
    """Append the last piece to the one before it, if it is shorter than a window.

    Example
    -------
    >>> pieces = join_short_end(torch.zeros(28).split(5), rate=1)
    >>> [len(piece) for piece in pieces]
    [5, 5, 5, 5, 8]
    """
    held = None
    for piece in pieces:
        if held is not None:
            if len(piece) < WINDOW_SECONDS * rate:  # the last one
                piece = torch.cat([held, piece])
            else:
                yield held
        held = piece
    if held is not None:
        yield held
