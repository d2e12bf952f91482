"""Word errors, by the offline judge: pocketsphinx and its US English model.

The recogniser is far weaker than the paper's HuBERT, so a word error rate
means something only beside the same judge's rate on the original recording.
"""

import re
import unicodedata
from functools import cached_property

import numpy as np
from speechbrain.utils.edit_distance import wer_details_for_batch
from speechbrain.utils.metric_stats import ErrorRateStats

from speechbrain_gogo.metrics.speech_metric import (
    Figure,
    at_rate,
    import_backend,
)

RATE = 16000


def normalize_words(text):
    """Lower-case words without punctuation, apostrophes inside them kept.

    Accents go, as the recogniser's dictionary has none. Digits stay digits,
    which the recogniser never writes: spell numbers out in transcripts.

    Arguments
    ---------
    text : str
        A transcript.

    Returns
    -------
    list of str
        Its words.

    Example
    -------
    >>> normalize_words("'Well-known', she said: don\u2019t!")
    ['well', 'known', 'she', 'said', "don't"]
    """
    text = unicodedata.normalize("NFKD", text.replace("\u2019", "'").lower())
    text = "".join(c for c in text if not unicodedata.combining(c))
    words = re.sub(r"[^\w']|_", " ", text).split()
    return [word for word in (w.strip("'") for w in words) if word]


class WordErrors(ErrorRateStats):
    """Word error rate of what a recogniser hears in a signal.

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

    columns = ("word_errors", "words", "wer", "hypothesis")
    figures = (
        Figure("WER (%)", "word_errors", per="words", scale=100),
        Figure("WER, mean of utterances (%)", "wer"),
    )

    def __init__(self, sample_rate=24000, decoder_options=None):
        super().__init__()
        self.sample_rate = sample_rate
        self.decoder_options = dict(decoder_options or {})
        package = import_backend("pocketsphinx", "pocketsphinx")
        changed = "".join(f", {k}={v}" for k, v in self.decoder_options.items())
        self.judge = f"word errors: {package}, en-us, {RATE} Hz{changed}"

    @cached_property
    def _decoder(self):
        from pocketsphinx import Decoder

        return Decoder(samprate=RATE, loglevel="FATAL", **self.decoder_options)

    def recognize(self, wav):
        """The words heard in a signal.

        Arguments
        ---------
        wav : torch.Tensor | np.ndarray
            Samples, [T].

        Returns
        -------
        list of str
            The words, normalised.
        """
        wav = at_rate(wav, self.sample_rate, RATE)
        samples = np.round(wav * 32767).astype(np.int16).tobytes()
        self._decoder.start_utt()
        # As a whole, so that no utterance depends on the one before it.
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return normalize_words(hypothesis.hypstr) if hypothesis else []

    def append(self, ids, predict, target, lengths=None):
        """Recognise a batch and count its word errors.

        Arguments
        ---------
        ids : list of str
            Utterance ids.
        predict : torch.Tensor | list
            Signals, [B, T].
        target : list of str
            Transcripts.
        lengths : torch.Tensor
            Relative lengths of the signals, [B].
        """
        if lengths is not None:
            samples = (lengths * predict.size(1)).round().long().tolist()
            predict = [p[:n].cpu() for p, n in zip(predict, samples)]
        super().append(
            ids,
            [self.recognize(wav) for wav in predict],
            [normalize_words(text) for text in target],
        )

    def summarize(self, field=None):
        """Corpus WER and its parts, and the mean over utterances.

        Arguments
        ---------
        field : str
            One key of the summary, such as WER or mean_WER.

        Returns
        -------
        float | dict
            In percent.
        """
        super().summarize()
        rates = [score["WER"] for score in self.scores]
        self.summary["mean_WER"] = sum(rates) / len(rates)
        return self.summary if field is None else self.summary[field]

    def measure(self, predict, target=None, transcript=None):
        """Measure one utterance.

        Arguments
        ---------
        predict : torch.Tensor | np.ndarray
            The signal to judge, [T].
        target : torch.Tensor | np.ndarray
            Not looked at.
        transcript : str
            What is said.

        Returns
        -------
        dict
            word_errors, words, wer (percent), hypothesis.
        """
        words = normalize_words(transcript or "")
        if not words:
            raise ValueError(
                f"Word errors need a transcript, not {transcript!r}."
            )
        heard = self.recognize(predict)
        details = wer_details_for_batch([""], [words], [heard])[0]
        return {
            "word_errors": details["num_edits"],
            "words": len(words),
            "wer": details["WER"],
            "hypothesis": " ".join(heard),
        }
