"""Strict loading of the stages of GogoSpeech.

A stage is a plain Hugging Face folder, see export_speech.py. Only safetensors
are read, no code of the folder is run, and weights, settings and codec must
match.
"""

import contextlib
import json
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from safetensors import SafetensorError

from speechbrain_gogo.inference.loading.export_speech import (
    FOLDERS,
    SPEECH_FILE,
)
from speechbrain_gogo.inference.loading.group_stage import load_group_stage
from speechbrain_gogo.inference.loading.packed_stage import (
    LlamaFolder,
    PackedBackboneLM,
    PackedDetailLM,
)
from speechbrain_gogo.inference.loading.pretrained import (
    check_trust,
    find_source,
    refuse,
)
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

# Entries of config.json that describe a stage, and the other one of each stage.
NEEDED = "stage", "text_size", "codebook_size", "backbone_size", "max_positions"
OWN = {1: "order", 2: "num_tokens"}


def can_speak(source):
    """Whether a model (a folder, bundled name or hub id) has stages that speak.

    Example
    -------
    >>> can_speak("gogo-mini")
    True
    """
    return (find_source(source, speech=True) / SPEECH_FILE).is_file()


def load_settings(path, overrides=None, trust_source=False):
    """Read the YAML of synthesis settings, in the codec's folder.

    ``overrides`` replace values of the YAML, which may run any code if
    ``trust_source``. Raises a ValueError for a missing or wrong YAML.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"{path.parent} cannot speak: it has no {path.name}. It may be a "
            "codec alone, see export_speech."
        )
    if not trust_source:
        check_trust(path)
    try:
        with open(path, encoding="utf-8") as stream:
            settings = load_hyperpyyaml(stream, overrides or {})
        if voice := settings.get("voice"):
            settings["voice"] = path.parent / voice["file"], voice["text"]
    except Exception as error:  # any class in the YAML may raise any error
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path} does not have the settings of synthesis ({reason}): write "
            "it with export_speech."
        ) from error
    return settings


def load_stages(
    folder, codec, dtype=torch.float32, load_llama=None, int8=False
):
    """Load both stages by name, or Stage I alone if it predicts all tokens.

    The arguments are those of :func:`load_stage`, whose folders ``stage1`` and
    ``stage2`` are in ``folder``.
    """
    first, second = FOLDERS
    settings = codec, dtype, load_llama, int8
    stages = {first: load_stage(Path(folder) / first, *settings)}
    if stages[first].backbone_size == codec.num_codebooks:
        return {**stages, second: NoDetailLM(codec.num_codebooks)}
    return {**stages, second: load_stage(Path(folder) / second, *settings)}


def load_stage(
    folder,
    codec,
    dtype=torch.float32,
    load_llama=None,
    int8=False,
    same_codec=True,
):
    """Read a stage that ``export_speech_stage`` wrote.

    The folder has config.json and model.safetensors; ``codec`` is the one whose
    tokens the stage must predict, ``dtype`` the type of the weights in memory.
    ``load_llama`` is a function of a stage's folder that returns its Llama, or
    a replacement; by default the weights are read. With ``int8`` a stage that
    is a plain Llama is read matrix by matrix, in 8 bits, for generation alone;
    small stages are not changed. A stage of another codec is refused; without
    ``same_codec`` only one whose tokens have other sizes.
    """
    folder = Path(folder)
    metadata = _read_metadata(folder)
    if folder.name in FOLDERS and FOLDERS[metadata["stage"] - 1] != folder.name:
        raise ValueError(f"{folder} holds stage {metadata['stage']}.")
    _check_codec(folder, metadata, codec, same_codec)
    if "levels" in metadata:
        return load_group_stage(folder, metadata, dtype)
    kinds = BackboneLM, DetailLM
    if load_llama:
        llama = load_llama(folder)
    elif int8:
        llama = LlamaFolder(folder)
        kinds = PackedBackboneLM, PackedDetailLM
    else:
        llama = _load_llama(folder, dtype)
    own = OWN[metadata["stage"]]
    settings = {key: metadata[key] for key in (*NEEDED[1:], own)}
    return kinds[metadata["stage"] - 1](llama, **settings)


def _read_metadata(folder):
    """The entries of config.json that describe the stage."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is no stage of GogoSpeech: no config.json.")
    try:
        metadata = json.loads((folder / "config.json").read_text("utf-8"))[
            "gogo"
        ]
        if metadata["stage"] not in OWN:
            raise ValueError(f"there is no stage {metadata['stage']}")
        needed = *NEEDED, OWN[metadata["stage"]]
        if "levels" in metadata:
            needed = "stage", "kind"
        if lacking := [key for key in needed if key not in metadata]:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return metadata
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}/config.json does not describe a stage of GogoSpeech "
            f"({error}): write it with export_speech_stage."
        ) from None


def _check_codec(folder, metadata, codec, same_codec):
    """Raise an error if a stage belongs to another codec, or to other sizes."""
    if same_codec and metadata.get("codec") is not None:
        check_fingerprint(folder, metadata["codec"], codec)
    wanted = {
        "codebook_size": codec.vocab_size,
        "backbone_size": codec.backbone_size,
        "num_tokens": codec.num_codebooks,
    }
    if metadata.get("backbone_size") == codec.num_codebooks:
        del wanted["backbone_size"]  # a single stage leaves no other tokens
    for key, value in wanted.items():
        if metadata.get(key, value) != value:
            raise ValueError(
                f"{folder} has {key} {metadata[key]}, the codec '{codec.name}' "
                f"has {value}: they do not belong together."
            )


def check_fingerprint(folder, found, codec):
    """Raise an error if a model was trained with another codec's fingerprint."""
    if found != codec.fingerprint:
        raise ValueError(
            f"{folder} speaks the tokens of a codec with fingerprint {found}, "
            f"not those of '{codec.name}' (fingerprint {codec.fingerprint})."
        )


def _load_llama(folder, dtype):
    """A Llama with all of its weights and no others."""
    from transformers import LlamaForCausalLM

    try:
        with _without_progress_bar():
            llama, report = LlamaForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below, and refused
                output_loading_info=True,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{folder} has no weights that can be read: {reason} (Only "
            "safetensors are: a pickled checkpoint can run code.)"
        ) from None
    faults = [
        f"{kind.removesuffix('_keys')} {key}"
        for kind, keys in report.items()
        for key in sorted(map(str, keys))
    ]
    refuse(faults, folder, "its config.json")
    return llama


@contextlib.contextmanager
def _without_progress_bar():
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
