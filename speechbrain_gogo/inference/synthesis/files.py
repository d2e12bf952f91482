"""Text to speech to an audio file, with timing."""

import time
from dataclasses import dataclass
from pathlib import Path

from speechbrain_gogo.dataio.audio.writing import audio_path


@dataclass
class SynthesisResult:
    """Description of a synthesized file.

    text: the input; wav: the file's name; seconds: duration of the audio;
    token_rate: in Hz; first_audio: seconds until the first chunk of audio;
    real_time_factor: computing time over duration; finished: see Speech.
    """

    text: str
    wav: str
    seconds: float
    token_rate: float
    first_audio: float
    real_time_factor: float
    finished: bool


def synthesize_file(
    speech,
    out_path,
    text,
    prompt_wav,
    prompt_text=None,
    on_chunk=lambda seconds, elapsed: None,
    watermark="perth",
    **settings,
):
    """Synthesize speech into an audio file, chunk by chunk.

    Arguments
    ---------
    speech : GogoSpeech
        The model.
    out_path : str | Path
        Audio file to write; folders are made.
    text, prompt_wav, prompt_text, settings
        As in :meth:`GogoSpeech.stream_voice`; the prompt is a file.
    on_chunk : callable
        Called after every chunk with the seconds of audio so far and the
        seconds since the start.
    watermark : str
        Inaudible watermark to add, if installed; None for none.

    Returns
    -------
    SynthesisResult

    Raises
    ------
    ValueError
        As :meth:`GogoSpeech.stream_voice` does, if the file's suffix names no
        audio format, or if it is the prompt.
    """
    audio_path(out_path)  # before the long work
    prompt = Path(prompt_wav).resolve() if prompt_wav is not None else None
    if Path(out_path).resolve() == prompt:
        raise ValueError(f"{out_path} is the prompt: write to another file.")
    start = time.perf_counter()
    stream = speech.stream_voice(text, prompt_wav, prompt_text, **settings)
    first, elapsed, seconds = 0.0, 0.0, 0.0
    for seconds in stream.write(out_path, watermark):
        elapsed = time.perf_counter() - start
        first = first or elapsed
        on_chunk(seconds, elapsed)
    result = stream.speech()
    return SynthesisResult(
        text=text,
        wav=Path(out_path).name,
        seconds=seconds,
        token_rate=int(result.budgets.sum()) / max(seconds, 1e-9),
        first_audio=first,
        real_time_factor=elapsed / max(seconds, 1e-9),
        finished=result.finished,
    )
