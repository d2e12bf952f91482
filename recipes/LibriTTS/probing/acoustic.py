"""Acoustic features of an utterance: low-level properties of the signal.

Zero-crossing rate, energy entropy and spectral centroid are means over short
frames; the pitch is the mean over those that Praat finds voiced.
"""

import librosa
import numpy as np
from scipy.special import entr

ACOUSTIC = (
    "zero-crossing rate",  # crossings per sample
    "energy entropy",  # bits
    "spectral centroid",  # share of half the sample rate
    "pitch",  # Hz
)
SUB_FRAMES = 10  # of a frame, for the energy entropy


def acoustic_features(wav, sample_rate, pitch, frame_seconds, hop_seconds):
    """Measure one utterance, samples [T] of at least one frame.

    Gives a float for each of ``ACOUSTIC``; the pitch is NaN if no frame is
    voiced.
    """
    frame = round(frame_seconds * sample_rate)
    hop = round(hop_seconds * sample_rate)
    framing = {"hop_length": hop, "center": False}
    crossings = librosa.feature.zero_crossing_rate(
        wav, frame_length=frame, **framing
    )
    centroid = librosa.feature.spectral_centroid(
        y=wav, sr=sample_rate, n_fft=frame, **framing
    )
    frames = librosa.util.frame(wav, frame_length=frame, hop_length=hop)
    frequency = pitch.selected_array["frequency"]  # 0 where unvoiced
    voiced = frequency[frequency > 0]
    values = (
        crossings.mean(),
        energy_entropy(frames).mean(),
        centroid.mean() / (sample_rate / 2),
        voiced.mean() if voiced.size else np.nan,
    )
    return dict(zip(ACOUSTIC, map(float, values)))


def energy_entropy(frames):
    """Entropy of the energy of frames over their sub-frames, in bits.

    Frames are [samples, N]. It is log2(10) for a steady sound, little for a
    click, 0 for silence.
    """
    length = len(frames) // SUB_FRAMES * SUB_FRAMES
    parts = frames[:length].reshape(SUB_FRAMES, -1, frames.shape[1])
    energy = (parts.astype(np.float64) ** 2).sum(axis=1)  # [SUB_FRAMES, N]
    total = energy.sum(axis=0)
    share = energy / np.where(total > 0, total, 1)
    return entr(share).sum(axis=0) / np.log(2)
