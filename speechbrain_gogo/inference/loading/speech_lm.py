"""Export and strict loading of a codec's language model.

The folder of the codec also has ``speech.yaml`` (the model, its sampling
settings, the fingerprint of its codec), ``lm.safetensors`` and, in ``text``,
the tokenizer.
"""

from pathlib import Path

import torch
from ruamel.yaml import YAML

from speechbrain_gogo.inference.loading.export import (
    save_weights,
    write_model_yaml,
)
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.pretrained import load_weights
from speechbrain_gogo.inference.loading.speech import (
    check_fingerprint,
    load_settings,
)

TEXT_FOLDER, WEIGHTS = "text", "lm.safetensors"


def export_speech_lm(folder, lm, tokenizer, codec, **settings):
    """Write a language model into the model folder of its codec.

    ``lm`` has ``sizes``, the arguments of its class, ``vocab_size`` and
    ``levels``. ``settings`` are ``sampling`` and others of
    :class:`~speechbrain_gogo.inference.synthesis.pretrained.PretrainedSpeech`.
    Returns the folder.
    """
    folder = Path(folder)
    name = f"{type(lm).__module__}.{type(lm).__name__}"
    node = YAML().load(f"lm: !new:{name}\n    text_size: 0\n")["lm"]
    node.update(lm.sizes)
    tree = {"codec": codec.fingerprint, **settings, "lm": node}
    write_model_yaml(tree, folder / SPEECH_FILE)
    save_weights(lm, folder / WEIGHTS)
    tokenizer.save(folder / TEXT_FOLDER)
    return folder


def load_speech_lm(folder, codec, overrides=None, trust_source=False):
    """Load a language model that :func:`export_speech_lm` wrote.

    ``codec`` was loaded from the same folder. Returns the settings, with the
    language model as ``lm``.
    """
    settings = load_settings(
        Path(folder) / SPEECH_FILE, overrides, trust_source
    )
    lm = settings.get("lm")
    if not isinstance(lm, torch.nn.Module):
        raise ValueError(f"{folder}/{SPEECH_FILE} names no language model.")
    check_fingerprint(folder, settings.get("codec"), codec)
    check_lm_fits(lm, codec)
    load_weights(lm, Path(folder) / WEIGHTS)
    return settings


def check_lm_fits(lm, codec):
    """Raise a ValueError if a language model's levels are not those of a codec."""
    sizes = [
        (
            part.vocab_size,
            [level.steps for level in part.levels],
            [level.streams for level in part.levels],
        )
        for part in (lm, codec)
    ]
    if sizes[0] != sizes[1]:
        (size, steps, streams), (own, own_steps, own_streams) = sizes
        raise ValueError(
            f"The language model has levels of {steps} steps and {streams} "
            f"streams of {size} tokens, the codec '{codec.name}' of {own_steps} "
            f"and {own_streams}, of {own}: set the model's sizes to these."
        )
