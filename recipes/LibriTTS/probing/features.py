"""The 17 features of Table 5, of one utterance.

Each kind of features has its own file. This file computes their common inputs:
an analysis of the voice, and the words.
"""

import parselmouth
from acoustic import ACOUSTIC, acoustic_features
from linguistic import LINGUISTIC, linguistic_features
from prosodic import PROSODIC, prosodic_features

from speechbrain_gogo.dataio.text.normalization import normalize_words

KINDS = {"acoustic": ACOUSTIC, "prosodic": PROSODIC, "linguistic": LINGUISTIC}
NAMES = [name for names in KINDS.values() for name in names]


class FeatureExtractor:
    """Measures utterances; the range of the pitch is Praat's, in Hz."""

    def __init__(
        self,
        sample_rate,
        frame_seconds=0.05,
        hop_seconds=0.025,
        pitch_floor=75.0,
        pitch_ceiling=600.0,
    ):
        self.sample_rate = sample_rate
        self.frames = {
            "frame_seconds": frame_seconds,
            "hop_seconds": hop_seconds,
        }
        self.pitches = {
            "pitch_floor": pitch_floor,
            "pitch_ceiling": pitch_ceiling,
        }

    @property
    def settings(self):
        """All settings on which the values depend, for JSON."""
        rate = {"sample_rate": self.sample_rate}
        return {**rate, **self.frames, **self.pitches}

    def __call__(self, wav, text):
        """Measure samples [T] and their transcript.

        Gives a float for each of ``NAMES``, NaN where it is not defined.
        """
        sound = parselmouth.Sound(wav.astype("float64"), self.sample_rate)
        pitch = sound.to_pitch_ac(**self.pitches)
        num_words = len(normalize_words(text).split())
        return {
            **acoustic_features(wav, self.sample_rate, pitch, **self.frames),
            **prosodic_features(sound, pitch, num_words),
            **linguistic_features(text),
        }
