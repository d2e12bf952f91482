"""Text to an audio file in the voice of another, and how fast that was."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Spoken:
    """What was spoken into a file.

    text: as it was given; wav: the file's name; seconds: of audio; token_rate:
    in Hz; first_audio: seconds until there was something to hear;
    real_time_factor: computing time over the audio's; finished: see Speech.
    """

    text: str
    wav: str
    seconds: float
    token_rate: float
    first_audio: float
    real_time_factor: float
    finished: bool


def speak_into(
    speech,
    out_path,
    text,
    prompt_wav,
    prompt_text,
    heard=lambda seconds, spent: None,
    **settings,
):
    """Speak into an audio file, which grows meanwhile.

    Arguments
    ---------
    speech : GogoSpeech
        Speaks.
    out_path : str | Path
        Audio file to write; folders are made.
    text, prompt_wav, prompt_text, settings
        Of :meth:`GogoSpeech.stream_voice`; the prompt is a file.
    heard : callable
        Told of every piece: how many seconds of audio there are, and how
        many have passed.

    Returns
    -------
    Spoken

    Raises
    ------
    ValueError
        As :meth:`GogoSpeech.stream_voice` does, if the file's suffix names no
        audio format, or if it is the prompt.
    """
    if Path(out_path).resolve() == Path(prompt_wav).resolve():
        raise ValueError(f"{out_path} is the prompt: write to another file.")
    start = time.perf_counter()
    stream = speech.stream_voice(text, prompt_wav, prompt_text, **settings)
    first, spent, seconds = 0.0, 0.0, 0.0
    for seconds in stream.write(out_path):
        spent = time.perf_counter() - start
        first = first or spent
        heard(seconds, spent)
    said = stream.speech()
    return Spoken(
        text=text,
        wav=Path(out_path).name,
        seconds=seconds,
        token_rate=int(said.budgets.sum()) / max(seconds, 1e-9),
        first_audio=first,
        real_time_factor=spent / max(seconds, 1e-9),
        finished=said.finished,
    )
