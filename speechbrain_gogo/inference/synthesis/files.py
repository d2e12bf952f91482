"""Text to speech, and conversion of a recording, to an audio file."""

import time
from dataclasses import dataclass
from pathlib import Path

from speechbrain_gogo.dataio.audio.writing import audio_path, written_audio
from speechbrain_gogo.inference.marking import SYNTHETIC, mark_stream
from speechbrain_gogo.inference.synthesis.conversion import VoiceConversion


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
    _check_output(out_path, prompt=prompt_wav)  # before the long work
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


def convert_file(
    speech, out_path, source_wav, prompt_wav=None, watermark="perth", **settings
):
    """Convert or enhance a recording into an audio file.

    The file is marked as synthetic, as that of :func:`synthesize_file`.

    Arguments
    ---------
    speech : GogoSpeech
        The model.
    out_path : str | Path
        Audio file to write; folders are made.
    source_wav, prompt_wav, settings
        As in :meth:`GogoSpeech.convert_voice`; both are files.
    watermark : str
        As in :func:`synthesize_file`.

    Returns
    -------
    Speech

    Raises
    ------
    ValueError
        As :meth:`GogoSpeech.convert_voice` does, if the model is no
        GogoSpeech, if the file's suffix names no audio format, or if it is an
        input.
    """
    _check_output(out_path, source=source_wav, prompt=prompt_wav)
    if not isinstance(speech, VoiceConversion):
        raise ValueError(
            f"'{speech.codec.name}' is a {type(speech).__name__}; only GogoSpeech "
            "has a Stage II, which generates fine tokens from coarse ones. Its "
            "codec takes a voice as an embedding: decode_batch(tokens, "
            "embedding=codec.speaker_embedding(voice))."
        )
    said = speech.convert_voice(source_wav, prompt_wav, **settings)
    pieces = mark_stream([said.wav], said.sample_rate, watermark)
    with written_audio(out_path, said.sample_rate, SYNTHETIC) as write:
        for piece in pieces:
            write(piece)
    return said


def _check_output(out_path, **inputs):
    """Raise an error if a file cannot be written, or is an input."""
    audio_path(out_path)
    for name, path in inputs.items():
        if (
            path is not None
            and Path(path).resolve() == Path(out_path).resolve()
        ):
            raise ValueError(
                f"{out_path} is the {name}: write to another file."
            )
