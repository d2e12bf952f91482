"""Files of a stage that takes one large pass per group.

config.json has the sizes of the stage under "gogo", model.safetensors its
weights. These stages are defined in lobes/speech/group_stage1.py.
"""

import json
from pathlib import Path

import torch

from speechbrain_gogo.inference.loading.export import save_weights
from speechbrain_gogo.inference.loading.pretrained import load_weights
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM

CLASSES = {
    kind.__name__: kind
    for kind in (AlignedBackboneLM, GroupBackboneLM, GroupDetailLM)
}
WEIGHTS = "model.safetensors"


def save_group_stage(folder, lm, fingerprint=None):
    """Write a stage, its weights in half precision.

    ``fingerprint`` is that of the codec whose tokens it speaks.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {
        "stage": lm.stage,
        "kind": type(lm).__name__,
        "codec": fingerprint,
        "codebook_size": lm.codebook_size,
        **lm.sizes,
    }
    page = {"architectures": [type(lm).__name__], "gogo": metadata}
    (folder / "config.json").write_text(json.dumps(page, indent=2) + "\n")
    save_weights(lm, folder / WEIGHTS)


def load_group_stage(folder, metadata, dtype=torch.float32):
    """Read a stage that :func:`save_group_stage` wrote, in evaluation mode.

    ``metadata`` is the entry "gogo" of config.json; the weights get ``dtype``.
    """
    sizes = {
        key: value
        for key, value in metadata.items()
        if key not in ("stage", "kind", "codec", "codebook_size")
    }
    try:
        lm = CLASSES[metadata["kind"]](**sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder}/config.json does not describe a stage of GogoSpeech "
            f"({error}): write it with export_speech_stage."
        ) from None
    load_weights(lm, Path(folder) / WEIGHTS)
    for weight in lm.parameters():
        weight.data = weight.data.to(dtype)
    return lm.eval()
