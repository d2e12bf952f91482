"""Prosodic features of an utterance: rhythm and regularity of the voice.

Jitter, shimmer and voicing are Praat's (Boersma, 2001), through parselmouth.
"""

import numpy as np
from parselmouth.praat import call

PROSODIC = (
    "duration",  # seconds
    "jitter",  # local: share of the period
    "shimmer",  # local: share of the amplitude
    "voiced-to-unvoiced ratio",  # of numbers of frames
    "speaking rate",  # words per second
)

# Praat's standard settings: the whole sound, periods of 0.1 to 20 ms, and the
# largest factors between neighbouring periods and amplitudes.
PERIODS = (0, 0, 0.0001, 0.02, 1.3)
AMPLITUDE_FACTOR = 1.6


def prosodic_features(sound, pitch, num_words):
    """Measure one utterance, of parselmouth's sound and pitch.

    Gives a float for each of ``PROSODIC``; NaN where one is not defined: jitter
    and shimmer without voice, the ratio without unvoiced frames.
    """
    pulses = call([sound, pitch], "To PointProcess (cc)")
    voiced = pitch.selected_array["frequency"] > 0
    unvoiced = (~voiced).sum()
    values = (
        sound.duration,
        call(pulses, "Get jitter (local)", *PERIODS),
        call(
            [sound, pulses], "Get shimmer (local)", *PERIODS, AMPLITUDE_FACTOR
        ),
        voiced.sum() / unvoiced if unvoiced else np.nan,
        num_words / sound.duration,
    )
    return dict(zip(PROSODIC, map(float, values)))
