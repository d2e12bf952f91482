"""Word errors of recognised speech, and their offline judge.

Pocketsphinx with its US English model is far weaker than the paper's HuBERT
(hubert.py), so its word error rate is only meaningful in comparison with
its rate on the original recordings.
"""

import math
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from speechbrain.utils.metric_stats import ErrorRateStats

from speechbrain_gogo.metrics.recognition.transcripts import (
    count_errors,
    find_normalizer,
    repeats_itself,
)
from speechbrain_gogo.metrics.signals import at_rate, cut
from speechbrain_gogo.metrics.speech_metric import Figure
from speechbrain_gogo.optional_packages import import_backend

RATE = 16000
# Of a summary, beside mean_WER: SpeechBrain's rates and counts.
RATES = "WER", "SER", "error_rate"
COUNTS = (
    *("num_edits", "insertions", "deletions", "substitutions"),
    *("num_scored_tokens", "num_erroneous_sents", "num_scored_sents"),
    *("num_absent_sents", "num_ref_sents"),
)


class RecognitionErrors(ErrorRateStats, ABC):
    """Base class of word error rates, by any recogniser.

    Subclasses set ``judge`` and implement :meth:`recognize`. ``sample_rate`` is
    that of the signals in Hz, ``normalizer`` as in transcripts.find_normalizer.
    ``prefix`` begins the names of columns, so that several judges can be used;
    ``label`` is the heading of the corpus rate in tables.
    """

    def __init__(self, sample_rate, normalizer="words", prefix="", label="WER"):
        super().__init__()
        self.sample_rate = sample_rate
        self.normalizer = normalizer
        names = (
            "word_errors",
            "words",
            "wer",
            "capped_errors",
            "loops",
            "hypothesis",
        )
        self.columns = tuple(prefix + name for name in names)
        errors, words, rate, *_ = self.columns
        self.figures = (
            Figure(f"{label} (%)", errors, per=words, scale=100),
            Figure(f"{label}, mean of utterances (%)", rate),
        )

    @property
    def no_score(self):
        """Columns of an utterance whose recognition failed."""
        *numbers, hypothesis = self.columns
        return {**dict.fromkeys(numbers, math.nan), hypothesis: ""}

    @abstractmethod
    def recognize(self, wavs):
        """Transcripts of signals, a list of [T]: a list of str."""

    def append(self, ids, predict, target, lengths=None):
        """Recognise signals [B, T], of relative lengths [B], and count errors.

        ``ids`` are the names of the utterances, ``target`` their transcripts.
        """
        normalize = find_normalizer(self.normalizer)
        hypotheses = self.recognize(cut(predict, lengths))
        super().append(
            ids,
            [normalize(text) for text in hypotheses],
            [normalize(text) for text in target],
        )

    def summarize(self, field=None):
        """Corpus WER and its parts, and the mean over utterances, in percent.

        A dict, or only the given ``field`` of it, such as "WER" or "mean_WER".
        Rates of no utterance are NaN.
        """
        rates = [score["WER"] for score in self.scores]
        if rates:
            super().summarize()
            self.summary["mean_WER"] = sum(rates) / len(rates)
        else:  # which SpeechBrain divides by
            rates = dict.fromkeys((*RATES, "mean_WER"), math.nan)
            self.summary = {**rates, **dict.fromkeys(COUNTS, 0)}
        return self.summary if field is None else self.summary[field]

    def count(self, transcripts, hypotheses):
        """The columns of transcribed utterances, a list of dict.

        Errors, words, rate in percent, errors up to the number of words, 1 if
        the recogniser repeats itself, and the hypothesis.
        """
        rows = []
        for transcript, text in zip(transcripts, hypotheses):
            errors, words = count_errors(transcript, text, self.normalizer)
            capped, loops = min(errors, words), int(repeats_itself(text))
            rate = 100 * errors / words
            values = (errors, words, rate, capped, loops, text)
            rows.append(dict(zip(self.columns, values)))
        return rows

    def measure(self, predict, target=None, transcript=None):
        """Measure one utterance, see :meth:`SpeechMetric.measure`."""
        return self.count([transcript], self.recognize([predict]))[0]


class WordErrors(RecognitionErrors):
    """Word error rate by pocketsphinx.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.
    decoder_options : dict
        Settings of pocketsphinx' decoder other than its own defaults, such
        as ``maxhmmpf: 4000`` (20 % faster; on 111 clean recordings 30.7 %
        instead of 30.5 % word errors).

    Example
    -------
    >>> metric = WordErrors()
    >>> metric.measure(np.zeros(24000), None, "Hello, world.")["word_errors"]
    2
    """

    def __init__(self, sample_rate=24000, decoder_options=None):
        super().__init__(sample_rate)
        self.decoder_options = dict(decoder_options or {})
        package = import_backend("pocketsphinx", "pocketsphinx")
        changed = "".join(f", {k}={v}" for k, v in self.decoder_options.items())
        self.judge = f"word errors: {package}, en-us, {RATE} Hz{changed}"

    @cached_property
    def _decoder(self):
        from pocketsphinx import Decoder

        return Decoder(samprate=RATE, loglevel="FATAL", **self.decoder_options)

    def recognize(self, wavs):
        """See :meth:`RecognitionErrors.recognize`."""
        return [self._recognize_one(wav) for wav in wavs]

    def _recognize_one(self, wav):
        wav = at_rate(wav, self.sample_rate, RATE)
        if not len(wav):
            return ""
        samples = np.round(wav * 32767).astype(np.int16).tobytes()
        # The decoder adapts noise and means over time: they are reset, so that no
        # utterance depends on earlier ones.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""
