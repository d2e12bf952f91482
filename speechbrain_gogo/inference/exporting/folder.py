"""Export of a pretrained model: a folder of ONNX files and model.json."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

from speechbrain_gogo.inference.codecs.voiced import VoicedCodec
from speechbrain_gogo.inference.exporting.codec import (
    codec_networks,
    describe_codec,
)
from speechbrain_gogo.inference.exporting.onnx_files import (
    TOLERANCE,
    check_onnx,
    write_onnx,
)
from speechbrain_gogo.inference.exporting.siblings import (
    describe_sibling,
    sibling_networks,
)
from speechbrain_gogo.inference.exporting.stages import (
    describe_stage,
    stage_networks,
)
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.loading.speech import can_speak, load_stages
from speechbrain_gogo.inference.open_codec import open_codec
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM
from speechbrain_gogo.optional_packages import import_extra

logger = logging.getLogger(__name__)

DESCRIPTION = "model.json"


class Exported(NamedTuple):
    """A file that was written and checked.

    ``difference`` is the largest one between ONNX Runtime and torch; None if the
    outputs are ids, which are equal.
    """

    path: Path
    difference: float | None


def export_onnx(source, folder, trust_source=False):
    """Write a model's networks as ONNX files, each compared with torch.

    Arguments
    ---------
    source : str | Path
        Folder, bundled name or hub id of a Gogo codec, with or without stages,
        a SoCodec or a CoFi-Codec. Language models of the latter two are left
        out with a warning.
    folder : str | Path
        Folder to write; created if needed.
    trust_source : bool
        Run any code that the model's YAML names.

    Yields
    ------
    Exported
        Each file, once it has passed its check. The last one is model.json,
        which describes how to use the others, and which parts of the model
        have no files.

    Raises
    ------
    ValueError
        If a package is missing, the model cannot be loaded, a part of it is of
        a class without export, or a file gives other results than torch.
    """
    import_extra("Export to ONNX", "onnx", "onnxscript", "onnxruntime")
    codec, stages = load(source, trust_source)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(codec, VoicedCodec):
        networks = sibling_networks(codec.codec)
        described = describe_sibling(codec.codec)
    else:
        networks = codec_networks(codec.codec, codec.vocoder)
        described = describe_codec(codec.codec)
    for name, stage in stages.items():
        networks += stage_networks(name, stage)
    files = {}
    for network in networks:
        path = write_onnx(network, folder)
        found = check_onnx(network, path)
        outputs = network.outputs.values()
        ids = all(tensor.dtype == "int64" for tensor in outputs)
        files[path.name] = {
            **network.describe(),
            "check": "equal" if ids else f"within {TOLERANCE:g}: {found:.2g}",
        }
        yield Exported(path, None if ids else found)
    page = {
        "model": codec.name,
        "fingerprint": codec.fingerprint,
        **described,
        "stages": {name: describe_stage(x) for name, x in stages.items()},
        "files": files,
    }
    path = folder / DESCRIPTION
    path.write_text(json.dumps(page, indent=2) + "\n")
    yield Exported(path, None)


def load(source, trust_source):
    """The codec, and name to stage; none if it does not speak."""
    codec = open_codec(source, trust_source=trust_source)
    if not can_speak(source):
        return codec, {}
    if isinstance(codec, VoicedCodec):
        logger.warning(
            "Of '%s' only the codec is exported: there is no export of the "
            "language models of SoCodec and CoFi-Speech.",
            codec.name,
        )
        return codec, {}
    # In float also where speech.yaml has `weights: int8`.
    stages = load_stages(find_source(source, speech=True), codec)
    return codec, {
        name: stage.eval().requires_grad_(False)
        for name, stage in stages.items()
        if not isinstance(stage, NoDetailLM)
    }
