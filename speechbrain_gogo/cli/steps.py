"""Steps of several `gogo` commands: loading, checks, processing, messages."""

import codecs
import sys

import typer


def load(codec, device, trust_source, speaks=False):
    """Load a codec on a device, or with ``speaks`` a text-to-speech model.

    Raises a ValueError if the device or the model cannot be used.
    """
    import torch

    from speechbrain_gogo.inference import open_codec, open_speech

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"No device '{device}' here: {reason}") from None
    settings = {"run_opts": {"device": device}, "trust_source": trust_source}
    if not speaks:
        return open_codec(codec, **settings)
    return open_speech(codec, one_utterance=True, **settings)


def describe(spoken, path):
    """A synthesized file, in one line."""
    return (
        f"{path}: {spoken.seconds:.2f} s, {spoken.token_rate:.1f} tokens/s, "
        f"first chunk after {spoken.first_audio:.2f} s, real-time factor "
        f"{spoken.real_time_factor:.2f}"
        f"{'' if spoken.finished else ', cut off: no end token'}"
    )


def text_to_speak(text, text_file):
    """Text to speak: the given one, from a file, or from standard input."""
    if text is not None and text_file is not None:
        raise ValueError("--text and --text-file: give one of them.")
    if text_file is not None:
        return _decode(text_file.read_bytes(), text_file)
    if text not in (None, "-"):
        return text
    if text is None and sys.stdin.isatty():
        raise ValueError(
            "Nothing to say: give --text, --text-file, or text from a pipe."
        )
    return _decode(sys.stdin.buffer.read(), "Standard input")


def _decode(data, name):
    """Text of bytes in UTF-8, or in UTF-16 with a byte order mark."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "UTF-16" if marked else "UTF-8"
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is no text in {encoding}: {error.reason} at byte "
            f"{error.start}."
        ) from None
    if not text.strip():
        raise ValueError(f"{name} has no text to speak.")
    return text


def given(**settings):
    """The settings that a command was given, without the defaults, None."""
    return {k: value for k, value in settings.items() if value is not None}


def sampling(codec, keep, steps, guidance, seed):
    """Settings of the decoder, checked before anything is computed."""
    levels = len(codec.levels)
    if keep is not None and not 1 <= keep <= levels:
        raise ValueError(
            f"--keep {keep} is outside 1..{levels}, the levels of "
            f"'{codec.name}'."
        )
    settings = flow_settings(codec, steps, guidance)
    if "seed" in codec.sampler:
        settings["seed"] = seed
    return {"keep": keep, **settings}


def flow_settings(codec, steps, guidance):
    """Settings of the flow that are given, if the codec's decoder has them."""
    if steps is not None and steps < 1:
        raise ValueError(f"--steps {steps}: give 1 or more.")
    settings = given(num_steps=steps, guidance_scale=guidance)
    flags = {"num_steps": "--steps", "guidance_scale": "--guidance"}
    for name in settings:
        if name not in codec.sampler:
            raise ValueError(
                f"The decoder of '{codec.name}' has no {name}: leave out "
                f"{flags[name]}."
            )
    return settings


def allocation(allocate, target_rate):
    """Settings of the allocator, checked before anything is computed."""
    if target_rate is not None and not allocate:
        raise ValueError(f"--target-rate {target_rate} needs --allocate.")
    return {"allocate": allocate, "target_rate": target_rate}


def run_all(pairs, work):
    """Process pairs of files; a failure does not stop the others."""
    from tqdm import tqdm

    failed = 0
    for source, target in tqdm(pairs, unit="file", disable=len(pairs) == 1):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            typer.echo(f"{target}: {work(source, target)}")
        except Exception as error:
            if not is_user_error(error):
                raise
            if len(pairs) == 1:
                raise ValueError(error) from None
            print_error(f"{source}: {error}")
            failed += 1
    if failed:
        raise ValueError(f"{failed} of {len(pairs)} files failed.")


def is_user_error(error):
    """Whether an error was caused by input or environment, not by a bug."""
    from safetensors import SafetensorError
    from soundfile import LibsndfileError

    known = (ImportError, LibsndfileError, OSError, SafetensorError, ValueError)
    return isinstance(error, known)


def print_error(error):
    """Print an error in one line to stderr."""
    typer.echo(f"gogo: {' '.join(str(error).split())}", err=True)
