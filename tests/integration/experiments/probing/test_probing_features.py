"""Acoustic and linguistic features of known sounds and texts."""

import numpy as np
import pytest

pytest.importorskip("parselmouth", reason="needs praat-parselmouth")


pytest.importorskip("textblob", reason="needs textblob")


RATE = 24000


def measure(wav, text="one two"):
    from features import FeatureExtractor

    return FeatureExtractor(RATE)(wav.astype(np.float32), text)


def test_features_of_a_tone():
    """A sine has one frequency, which is its pitch and its centroid."""
    time = np.arange(2 * RATE) / RATE
    found = measure(0.5 * np.sin(2 * np.pi * 240 * time), "a b c d e")
    assert found["pitch"] == pytest.approx(240, rel=0.002)
    assert found["zero-crossing rate"] == pytest.approx(2 * 240 / RATE, rel=0.1)
    assert found["spectral centroid"] == pytest.approx(240 / 12000, rel=0.05)
    assert found["energy entropy"] == pytest.approx(np.log2(10), rel=0.01)
    assert found["jitter"] < 1e-3 and found["shimmer"] < 1e-3
    assert found["duration"] == pytest.approx(2)
    assert found["speaking rate"] == pytest.approx(5 / 2)


def test_features_of_noise_and_a_click():
    """White noise has its centroid in the middle of the band and is unvoiced."""
    from acoustic import energy_entropy

    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    found = measure(noise)
    assert found["zero-crossing rate"] == pytest.approx(0.5, rel=0.02)
    assert found["spectral centroid"] == pytest.approx(0.5, rel=0.02)
    assert found["voiced-to-unvoiced ratio"] < 0.1
    silent = measure(np.zeros(RATE))
    assert np.isnan([silent["pitch"], silent["jitter"]]).all()
    frames = np.zeros((1000, 2))
    frames[5, 0] = 1  # all energy in one of ten parts
    frames[[5, 305, 605, 905], 1] = -1  # evenly in four
    assert energy_entropy(frames) == pytest.approx([0, 2])


def pulses(periods, amplitudes):
    """Pulses of the shape of a Hann window at sums of the periods."""
    times = 0.02 + np.cumsum(periods)
    time = np.arange(round((times[-1] + 0.02) * RATE)) / RATE
    offsets = (time[:, None] - times) / 0.002
    shapes = np.where(abs(offsets) < 0.5, np.cos(np.pi * offsets) ** 2, 0)
    return shapes @ amplitudes


def test_jitter_and_shimmer_of_alternating_pulses():
    """Neighbours differ by a known share of the mean period and amplitude."""
    turns = np.array([1, -1] * 75)
    jitter, shimmer = 0.01, 0.1  # |T_i - T_i+1| is twice the deviation
    periods = 0.01 * (1 + jitter / 2 * turns)
    amplitudes = 0.5 * (1 + shimmer / 2 * turns)
    found = measure(pulses(periods, amplitudes))
    assert found["jitter"] == pytest.approx(jitter, rel=0.1)
    assert found["shimmer"] == pytest.approx(shimmer, rel=0.1)
    assert found["pitch"] == pytest.approx(100, rel=0.01)


def test_voiced_to_unvoiced_ratio():
    """Two seconds of voice to one of silence; only voice has no ratio."""
    voice = pulses(np.full(200, 0.01), np.full(200, 0.5))
    found = measure(np.concatenate([voice, np.zeros(RATE)]))
    assert found["voiced-to-unvoiced ratio"] == pytest.approx(2, rel=0.1)
    assert found["pitch"] == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("change", [str, str.upper])
def test_linguistic_features(change):
    """Counted by hand, in any case."""
    from linguistic import linguistic_features

    text = (
        "She quickly opened the old red door, and they didn't know whether "
        "the tall man or his dog was in the house."
    )
    assert linguistic_features(change(text)) == {
        "unique words": 20,  # "the" three times
        "tense": 1,  # opened
        "adjectives": 3,
        "adverbs": 2,  # quickly, n't
        "nouns": 4,
        "verbs": 4,  # opened, did, know, was
        "pronouns": 3,
        "conjunctions": 2,
    }
    assert linguistic_features("He knows it. She went.")["tense"] == 0
    assert np.isnan(linguistic_features("A house!")["tense"])


def test_features_are_cached(tmp_path):
    """A killed run continues; other settings are measured again."""
    import soundfile
    from clips import measure_clips
    from features import NAMES

    class Counting:
        sample_rate, settings, calls = RATE, {"frame": 1}, 0

        def __call__(self, wav, text):
            if text == "kill" and self.calls == 1:
                raise KeyboardInterrupt
            self.calls += 1
            return dict.fromkeys(NAMES, float(len(wav))) | {"tense": np.nan}

    path = tmp_path / "clip.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    clips = [("a/b", path, "go"), ("c", path, "kill")]
    first, second = Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        measure_clips(first, clips, tmp_path / "out")
    values = measure_clips(second, clips, tmp_path / "out")
    assert (first.calls, second.calls) == (1, 1)
    assert values.shape == (2, 17) and (values[:, 0] == RATE).all()
    assert values[:, NAMES.index("tense")].isnan().all()
    second.settings = {"frame": 2}
    measure_clips(second, clips[:1], tmp_path / "out")
    assert second.calls == 2
