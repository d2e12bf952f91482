"""Files of a trained Vocos, on disk or on the hub, in the vocos package's layout.

A folder holds config.yaml, which names the classes of backbone and head and
their sizes, and the weights. Class names are only compared, never imported, and
weights are read as plain tensors, so that no file can run code. The module is
in vocoders.py.
"""

import pickle
from pathlib import Path

import safetensors.torch
import torch
import yaml
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

CONFIG = "config.yaml"
WEIGHTS = ("vocoder.safetensors", "model.safetensors", "pytorch_model.bin")
BACKBONE = "vocos.models.VocosBackbone"
HEAD = "vocos.heads.ISTFTHead"


def read_sizes(source):
    """The arguments of ``VocosVocoder``, from the config.yaml of a folder or hub id.

    Raises a ValueError if there is no such file, or it does not describe a Vocos
    for mel with centred frames.
    """
    config = yaml.safe_load(_find(source, (CONFIG,)).read_text())
    try:
        backbone, head = config["backbone"], config["head"]
        inside, outside = backbone["init_args"], head["init_args"]
        fits = (
            backbone["class_path"] == BACKBONE
            and head["class_path"] == HEAD
            and outside["padding"] == "center"
            and not inside.get("adanorm_num_embeddings")
        )
        sizes = {
            "n_mels": inside["input_channels"],
            "dim": inside["dim"],
            "intermediate_dim": inside["intermediate_dim"],
            "num_layers": inside["num_layers"],
            "n_fft": outside["n_fft"],
            "hop_length": outside["hop_length"],
        }
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{CONFIG} of {source} lacks {error}: it is not in the layout of "
            "the vocos package."
        ) from error
    if not fits:
        raise ValueError(
            f"{CONFIG} of {source} is not a Vocos for mel with centred frames:"
            f" it must name {BACKBONE} without embeddings, and {HEAD} with "
            "padding: center."
        )
    return sizes


def read_weights(source):
    """The learned tensors of a Vocos by name, of a folder or hub id.

    Mel filters and windows, which follow from the sizes, are left out. Raises a
    ValueError if there is no file with weights, or a pickle that could run code.
    """
    path = _find(source, WEIGHTS)
    if path.suffix == ".safetensors":
        weights = safetensors.torch.load_file(path)
    else:
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} is refused: it holds more than tensors. {error}"
            ) from error
    return {
        name: tensor
        for name, tensor in weights.items()
        if not name.startswith(("feature_extractor.", "head.istft."))
    }


def write_vocos(vocoder, folder):
    """Write config.yaml and weights of a trained VocosVocoder, in half precision.

    The folder is created if it is missing.

    Example
    -------
    >>> from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
    >>> folder = getfixture("tmp_path")
    >>> write_vocos(VocosVocoder(100, 32, 64, 2), folder)
    >>> read_sizes(folder)["intermediate_dim"]
    64
    >>> VocosVocoder.from_source(folder).context
    11
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in vocoder.state_dict().items()
    }
    (folder / WEIGHTS[0]).write_bytes(safetensors.torch.save(weights))
    inside = {
        "input_channels": vocoder.n_mels,
        "dim": vocoder.dim,
        "intermediate_dim": vocoder.intermediate_dim,
        "num_layers": vocoder.num_layers,
    }
    outside = {
        "dim": vocoder.dim,
        "n_fft": vocoder.n_fft,
        "hop_length": vocoder.hop_length,
        "padding": "center",
    }
    config = {
        "backbone": {"class_path": BACKBONE, "init_args": inside},
        "head": {"class_path": HEAD, "init_args": outside},
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))


def _find(source, names):
    """The first of ``names`` that a folder or hub repository has."""
    for name in names:
        if Path(source).is_dir():
            path = Path(source) / name
        else:
            try:
                path = Path(hf_hub_download(str(source), name))
            except (HfHubHTTPError, HFValidationError, OSError):
                continue
        if path.is_file():
            return path
    raise ValueError(
        f"Vocoder source {source} has none of {', '.join(names)}: it must be "
        "a folder, or a repository of the hub within reach of this machine."
    )
