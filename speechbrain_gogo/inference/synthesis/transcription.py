"""Transcripts of prompts: recognition, and a check of their length.

With a wrong transcript of the prompt, a language model also mispronounces the
text. The recognisers are those of the word errors in metrics/.
"""

import functools
import logging
import re

logger = logging.getLogger(__name__)

LANGUAGES = "en", None  # of both recognisers; None: the model names none
LONGEST = 30.0  # prompt to recognise, in seconds
SILENT = 1e-3  # of full scale
NO_WORDS = re.compile(r"<[^>]*>|\[[^]]*\]|\+\+\w+\+\+|\(\d+\)")

# Characters per second of read speech, as the front end writes it. Of 3,872
# clips of three corpora 99.9 % lie between 2.2 and 21.5.
SLOWEST, FASTEST = 2.0, 28.0


def transcribe(wav, sample_rate, language="en", recognizer=None):
    """Recognise the words of a prompt, float32 [T]; they are also logged.

    ``recognizer`` is the hub id or folder of a Whisper model in the format of
    transformers; pocketsphinx by default, which is far weaker but brings its
    model.
    """
    wanted = "give prompt_text, what the prompt says"
    if language not in LANGUAGES:
        raise ValueError(f"No recogniser of '{language}' is here: {wanted}.")
    seconds = len(wav) / sample_rate
    if seconds > LONGEST:
        raise ValueError(
            f"A prompt of {seconds:.1f} s is too long to be recognised: give a "
            f"shorter one, of 3 to 8 s, or {wanted}."
        )
    if wav.abs().max() < SILENT:  # recognisers find words in silence
        raise ValueError("The prompt is silent: record some speech.")
    try:
        judge = _load(recognizer, sample_rate)
    except ImportError as error:
        raise ValueError(
            f"No recogniser is installed: {wanted}. {error}"
        ) from (None)
    [heard] = judge.recognize([wav.cpu().numpy()])
    heard = " ".join(NO_WORDS.sub(" ", heard).split())
    if not heard:
        raise ValueError(f"No words were recognised in the prompt: {wanted}.")
    logger.warning(
        "The prompt was recognised as '%s'. If that is not what it says, %s.",
        heard,
        wanted,
    )
    return heard


@functools.lru_cache(maxsize=1)
def _load(recognizer, sample_rate):
    from speechbrain_gogo.metrics.recognition.whisper_words import (
        WhisperWordErrors,  # takes a second to import, and few prompts need it
    )
    from speechbrain_gogo.metrics.recognition.words import WordErrors

    if recognizer is None:
        return WordErrors(sample_rate)
    return WhisperWordErrors(sample_rate, str(recognizer))


def doubt_transcript(text, seconds):
    """Warn if a transcript is too long or too short for a prompt of this duration.

    Example
    -------
    >>> doubt_transcript("nobody says this in three seconds", 3.0)
    """
    rate = len(text) / seconds
    if SLOWEST <= rate <= FASTEST:
        return
    fault = "more than anybody says" if rate > FASTEST else "very little"
    logger.warning(
        "The prompt lasts %.1f s and its transcript has %d characters, %s in "
        "that time. If they do not belong together, other words than those "
        "of the text will be spoken.",
        seconds,
        len(text),
        fault,
    )
