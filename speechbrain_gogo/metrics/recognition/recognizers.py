"""Word errors by the best available recogniser of English.

Whisper base from a folder or the hub, by faster-whisper if installed (int8),
else by transformers; otherwise pocketsphinx, which is marked as weak in
reports. The paper does not use them; they measure the intelligibility of small
models.
"""

import logging
import tempfile
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from speechbrain_gogo.metrics.recognition.whisper_words import WhisperWordErrors
from speechbrain_gogo.metrics.recognition.words import (
    RATE,
    RecognitionErrors,
    WordErrors,
)
from speechbrain_gogo.metrics.signals import at_rate
from speechbrain_gogo.metrics.speech_metric import Figure
from speechbrain_gogo.optional_packages import import_backend

logger = logging.getLogger(__name__)

DEFAULT = "openai/whisper-base"
POCKETSPHINX = "pocketsphinx"
COMPUTE_TYPE = "int8"  # of faster-whisper's weights


def find_recognizer(
    sample_rate=24000, source=None, decoder_options=None, units="words"
):
    """The best word error metric that is available.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.
    source : str
        Hub id or folder of a Whisper, an error if missing; or "pocketsphinx".
        None selects Whisper base from the hub, or pocketsphinx with a warning
        if it is not available.
    decoder_options : dict
        Options of pocketsphinx, see :class:`WordErrors`.
    units : str
        Units to compare: "words" or "characters".

    Returns
    -------
    RecognitionErrors

    Raises
    ------
    ValueError
        If there is no such model, or there are no such units.

    Example
    -------
    >>> find_recognizer(source="pocketsphinx").judge[:27]
    'word errors: pocketsphinx 5'
    >>> metric = find_recognizer(source="pocketsphinx", units="characters")
    >>> metric.judge[:20], metric.figures[0].label
    ('character errors: po', 'CER (%)')
    """
    if units not in ("words", "characters"):
        raise ValueError(f"units='{units}': use 'words' or 'characters'.")
    metric = _find_words(sample_rate, source, decoder_options)
    return _add_capped(_by_characters(metric) if units != "words" else metric)


def _by_characters(metric):
    """Change a metric to compare characters instead of words."""
    metric.normalizer = "characters"
    names = {"word_errors": "character_errors", "words": "characters"}
    names["wer"] = "cer"

    def rename(column):
        for old, new in names.items():
            if column.endswith(old):
                return column.removesuffix(old) + new
        return column

    metric.columns = tuple(rename(column) for column in metric.columns)
    metric.figures = tuple(
        replace(
            figure,
            label=figure.label.replace("WER", "CER"),
            column=rename(figure.column),
            per=figure.per and rename(figure.per),
        )
        for figure in metric.figures
    )
    metric.judge = metric.judge.replace("word errors", "character errors")
    return metric


def _find_words(sample_rate, source, decoder_options):
    """The word error metric of :func:`find_recognizer`."""
    if source == POCKETSPHINX:
        return WordErrors(sample_rate, decoder_options)
    try:
        if find_spec("faster_whisper"):
            return FasterWhisperWordErrors(sample_rate, source or DEFAULT)
        metric = WhisperWordErrors(sample_rate, source or DEFAULT)
        metric.figures = metric.figures[::-1]  # the corpus rate first
        return metric
    except Exception as error:
        if source is not None:
            raise
        logger.warning(
            "Word errors are by pocketsphinx, a weak recogniser: %s could not "
            "be loaded (%s). Give a folder of a Whisper in transformers' "
            "format instead.",
            DEFAULT,
            str(error).splitlines()[0] if str(error) else type(error).__name__,
        )
        metric = WordErrors(sample_rate, decoder_options)
        metric.judge += " (a weak recogniser)"
        return metric


def _add_capped(metric):
    """Add figures to a metric: errors capped at the number of words, and loops.

    A recogniser that repeats itself can make any number of errors; the capped
    rate counts at most all words of an utterance.
    """
    _, words, _, capped, loops, _ = metric.columns
    label = metric.figures[0].label.removesuffix(" (%)")
    metric.figures += (
        Figure(f"{label}, capped (%)", capped, per=words, scale=100),
        Figure(f"{label}, loops (%)", loops, scale=100),
    )
    return metric


class FasterWhisperWordErrors(RecognitionErrors):
    """Word error rate by Whisper in CTranslate2, with greedy decoding.

    Signals are at ``sample_rate``, in Hz; ``source`` is the hub id or folder of
    a Whisper in the format of transformers, or a folder in that of CTranslate2.
    Raises a ValueError if there is no such model.
    """

    def __init__(self, sample_rate=24000, source=DEFAULT):
        super().__init__(sample_rate, "words", "whisper_", "WER, Whisper")
        self.source = str(source)
        package = import_backend("faster_whisper", "faster-whisper")
        self.judge = (
            f"word errors: {Path(self.source).name} by {package}, "
            f"{COMPUTE_TYPE}, greedy, {RATE} Hz"
        )
        self._folder = self._find_folder()

    def _find_folder(self):
        """A folder in the engine's format, converted if needed."""
        if Path(self.source, "model.bin").is_file():
            return self.source
        from ctranslate2.converters import TransformersConverter
        from transformers import WhisperFeatureExtractor, WhisperTokenizerFast

        self._converted = tempfile.TemporaryDirectory()
        folder = Path(self._converted.name, "model")
        try:
            converter = TransformersConverter(self.source)
            converter.convert(str(folder), quantization=COMPUTE_TYPE)
            # Under the name by which the engine knows it: transformers 5
            # writes it into processor_config.json.
            extractor = WhisperFeatureExtractor.from_pretrained(self.source)
            extractor.to_json_file(folder / "preprocessor_config.json")
            tokenizer = WhisperTokenizerFast.from_pretrained(self.source)
            tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{self.source} is no Whisper that can be read, neither a "
                f"folder nor a hub id: {error}"
            ) from error
        return str(folder)

    @cached_property
    def _model(self):
        from faster_whisper import WhisperModel

        return WhisperModel(
            self._folder, device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=1
        )

    def recognize(self, wavs):
        """See :meth:`RecognitionErrors.recognize`."""
        texts = []
        for wav in wavs:
            segments, _ = self._model.transcribe(
                at_rate(wav, self.sample_rate, RATE),
                language="en",
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=len(wav) <= 30 * self.sample_rate,
            )
            texts.append("".join(segment.text for segment in segments))
        return texts
