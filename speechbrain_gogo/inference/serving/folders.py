"""Folders of the stages for servers of language models.

An exported stage is a plain Llama whose last 12,802 ids are not in its text
tokenizer. Servers read and write ids, but need a tokenizer with all ids of the
model. It is written here: the stage's tokenizer, with an entry such as
``<|12864|>`` for every other id.
"""

import json
import shutil
from pathlib import Path

from sentencepiece import sentencepiece_model_pb2

from speechbrain_gogo.dataio.text.tokenizers import (
    HubTokenizer,
    WordPieces,
    load_text_tokenizer,
)
from speechbrain_gogo.inference.loading.export_speech import FOLDERS
from speechbrain_gogo.inference.loading.pretrained import find_source

PIECES = sentencepiece_model_pb2.ModelProto.SentencePiece
WEIGHTS = "*.safetensors", "*.safetensors.index.json"


def export_for_servers(source, folder):
    """Write the stages of a model for llama.cpp or vLLM.

    Arguments
    ---------
    source : str | Path
        A folder, a bundled name or a hub id, as GogoSpeech takes it.
    folder : str | Path
        Folder for ``stage1`` and, if the model has it, ``stage2``.

    Returns
    -------
    list of Path
        The folders of the stages.

    Raises
    ------
    ValueError
        If the model has no stages, or they are not plain Llamas.

    Example
    -------
    >>> export_for_servers("gogo-mini", getfixture("tmp_path"))
    Traceback (most recent call last):
        ...
    ValueError: stage1 of the model is no Llama (AlignedBackboneLM): ...
    """
    found = find_source(source, speech=True)
    stages = [found / name for name in FOLDERS if (found / name).is_dir()]
    if not stages:
        raise ValueError(f"{source} has no stages of GogoSpeech to serve.")
    return [_export_stage(stage, Path(folder) / stage.name) for stage in stages]


def _export_stage(stage, folder):
    """One stage, with a tokenizer that has all of its ids."""
    config = json.loads((stage / "config.json").read_text())
    if "vocab_size" not in config:
        kind = config.get("architectures", ["unknown"])[0]
        raise ValueError(
            f"{stage.name} of the model is no Llama ({kind}): servers of Llama "
            "models serve stages of stage1.yaml and stage2.yaml only."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("config.json", "generation_config.json", *WEIGHTS):
        for path in stage.glob(pattern):
            shutil.copy(path, folder)
    num_ids, num_text = config["vocab_size"], config["gogo"]["text_size"]
    tokenizer = None
    if config["gogo"]["stage"] == 1:
        tokenizer = load_text_tokenizer(stage)
    if isinstance(tokenizer, HubTokenizer):
        hub = tokenizer.tokenizer
        hub.add_tokens(_names(len(hub), num_ids))
        hub.save_pretrained(folder)
    else:
        pieces = _pieces(tokenizer, num_text, num_ids)
        (folder / "tokenizer.model").write_bytes(pieces)
    return folder


def _names(start, end):
    """Entries of a vocabulary that represent ids."""
    return [f"<|{number}|>" for number in range(start, end)]


def _pieces(tokenizer, num_text, num_ids):
    """A serialized sentencepiece model with this number of ids."""
    proto = sentencepiece_model_pb2.ModelProto()
    if isinstance(tokenizer, WordPieces):
        serialized = tokenizer.processor.serialized_model_proto()
        proto.ParseFromString(serialized)
    else:  # sentencepiece requires an unknown piece
        proto.trainer_spec.model_type = 2
        proto.normalizer_spec.name = "identity"
        for name in ("bos_id", "eos_id", "pad_id"):
            setattr(proto.trainer_spec, name, -1)
    if len(proto.pieces) > num_text and tokenizer is not None:
        raise ValueError(
            f"The tokenizer has {len(proto.pieces)} ids, the stage has room "
            f"for {num_text}: they do not belong together."
        )
    for name in _names(len(proto.pieces), num_ids):
        kind = PIECES.USER_DEFINED if proto.pieces else PIECES.UNKNOWN
        proto.pieces.add(piece=name, score=0.0, type=kind)
    proto.trainer_spec.vocab_size = num_ids
    return proto.SerializeToString()
