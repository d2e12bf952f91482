"""Word errors by the judge of zero-shot speech, Whisper (Table 3).

The protocol of Seed-TTS' evaluation: openai/whisper-large-v3 (Apache-2.0)
through transformers, set to transcribe English. Its score is the mean of the
utterances' rates; the corpus rate is reported too.
"""

import string
from functools import cache

import numpy as np
import torch
from scipy.signal import resample

from speechbrain_gogo.metrics.backends import load_weights
from speechbrain_gogo.metrics.recognition.words import RATE, RecognitionErrors
from speechbrain_gogo.optional_packages import import_backend

WINDOW = 30 * RATE  # samples of Whisper's window


def seed_tts_words(text):
    """Words as Seed-TTS' evaluation compares them.

    Lower case; punctuation is deleted, also Chinese and typographic, but not
    the apostrophe. (Its replacement of double spaces has no effect, since words
    are split at any number of spaces.)

    Example
    -------
    >>> seed_tts_words("It's well-known \u2014 isn't it? \u201cIt is!\u201d")
    ["it's", 'wellknown', "isn't", 'it', 'it', 'is']
    """
    return text.translate(_deletions()).lower().split()


@cache
def _deletions():
    import_backend("zhon.hanzi", "zhon")
    from zhon.hanzi import punctuation

    marks = (punctuation + string.punctuation).replace("'", "")
    return str.maketrans("", "", marks)


class WhisperWordErrors(RecognitionErrors):
    """Word error rate by Whisper.

    Audio of up to 30 s is transcribed at once. For longer audio Whisper's
    sequential algorithm moves its window to the last timestamp.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.
    source : str
        Hub id or folder of a WhisperForConditionalGeneration with its
        processor.
    device : str
        Device of the network.
    """

    def __init__(
        self, sample_rate=24000, source="openai/whisper-large-v3", device="cpu"
    ):
        from transformers import (
            WhisperForConditionalGeneration,
            WhisperProcessor,
        )

        super().__init__(
            sample_rate, seed_tts_words, "whisper_", "WER, Whisper"
        )
        self.figures = self.figures[::-1]  # the score is the mean
        self.device = device
        package = import_backend("transformers", "transformers")
        self.judge = (
            f"word errors: {source} by {package}, {RATE} Hz, words compared "
            "as Seed-TTS does; audio over 30 s by its sequential algorithm"
        )
        self._processor = load_weights(
            WhisperProcessor.from_pretrained, source, "WER by Whisper"
        )
        self._network = load_weights(
            lambda source: WhisperForConditionalGeneration.from_pretrained(
                source, dtype=torch.float32
            ),
            source,
            "WER by Whisper",
        )
        self._network.to(device).eval()

    @torch.no_grad()
    def recognize(self, wavs):
        """See :meth:`RecognitionErrors.recognize`."""
        wavs = [self._at_rate(wav) for wav in wavs]
        short = [wav for wav in wavs if len(wav) <= WINDOW]
        texts = iter(self._transcribe(short) if short else [])
        return [
            next(texts)
            if len(wav) <= WINDOW
            else self._transcribe([wav], truncation=False)[0]
            for wav in wavs
        ]

    def measure_batch(self, predicts, targets, transcripts):
        """See :meth:`BatchedMetric.measure_batch`."""
        return self.count(transcripts, self.recognize(predicts))

    def _transcribe(self, wavs, truncation=True):
        """Transcripts of signals [T]: several short ones, or a long one."""
        inputs = self._processor(
            wavs,
            sampling_rate=RATE,
            truncation=truncation,
            return_attention_mask=True,
            return_tensors="pt",
        ).to(self.device)
        ids = self._network.generate(
            **inputs,
            language="english",
            task="transcribe",
            return_timestamps=not truncation,
        )
        return self._processor.batch_decode(ids, skip_special_tokens=True)

    def _at_rate(self, wav):
        """[T] at Whisper's rate, resampled in the frequency domain."""
        wav = np.asarray(wav, dtype=np.float32)
        if self.sample_rate == RATE or not len(wav):
            return wav
        return resample(wav, int(len(wav) * RATE / self.sample_rate))
