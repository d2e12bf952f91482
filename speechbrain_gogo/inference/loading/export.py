"""Export of trained models to folders that ``from_hparams`` loads.

A model folder has a ``hyperparams.yaml`` without includes, which defines the
networks that inference uses, and their weights as safetensors in half
precision. These files are written and edited here.
"""

import filecmp
import inspect
import shutil
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import torch
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from safetensors.torch import save

MODEL_FILE = "hyperparams.yaml"


def export_codec(folder, hyperparams_file, codec, vocoder, **settings):
    """Write a codec folder.

    Arguments
    ---------
    folder : str | Path
        Folder to write.
    hyperparams_file : str | Path
        A YAML in which ``model: codec:`` is defined, such as the
        ``hyperparams.yaml`` that a recipe leaves in its output folder.
    codec : Gogo
        The codec with its averaged weights.
    vocoder : Vocoder
        Vocoder, whose class and arguments are written to the YAML, and its
        weights, if any, to the folder.
    **settings
        Further settings of the YAML: ``window_groups`` and
        ``overlap_groups``.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    defined = read_definition(hyperparams_file)["codec"]
    networks = {"codec": defined, "vocoder": define(vocoder)}
    tree = {**settings, "modules": networks}
    write_model_yaml(tree, folder / MODEL_FILE)
    save_weights(codec, folder / "codec.safetensors")
    if vocoder.state_dict():
        save_weights(vocoder, folder / "vocoder.safetensors")
    return folder


def export_bundle(folder, codec_folder, vocoder, sampler):
    """Write a codec folder with another vocoder and sampler, and return it.

    ``codec_folder`` is the model folder of the codec, ``sampler`` has settings
    of the flow to replace. Class and arguments of the vocoder are written to
    the YAML, and its weights, if any, to the folder.
    """
    folder, codec_folder = Path(folder), Path(codec_folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, "codec.safetensors"):
        shutil.copy(codec_folder / name, folder)
    with edit_model(folder) as tree:
        tree["modules"]["codec"]["flow"].update(sampler)
        tree["modules"]["vocoder"] = define(vocoder)
    if vocoder.state_dict():
        save_weights(vocoder, folder / "vocoder.safetensors")
    return folder


def define(module):
    """A module as a node of YAML: its class and arguments.

    The module has every argument of its class as an attribute of that name.

    Example
    -------
    >>> from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
    >>> define(VocosVocoder(100, 32, 64, 2))["intermediate_dim"]
    64
    """
    kind = type(module)
    names = inspect.signature(kind.__init__).parameters
    lines = [f"module: !new:{kind.__module__}.{kind.__name__}"]
    lines += [f"    {k}: {getattr(module, k)}" for k in names if k != "self"]
    return YAML().load("\n".join(lines))["module"]


def export_run(hparams):
    """Write the codec that a recipe has trained, and return the export folder.

    The settings of the recipe have ``output_folder`` with the run's
    hyperparams.yaml, ``export_folder``, ``ema`` around the codec, ``vocoder``,
    ``window_groups`` and ``overlap_groups``.
    """
    return export_codec(
        hparams["export_folder"],
        f"{hparams['output_folder']}/hyperparams.yaml",
        hparams["ema"].module,
        hparams["vocoder"],
        window_groups=hparams["window_groups"],
        overlap_groups=hparams["overlap_groups"],
    )


def export_sibling(hparams):
    """Write the SoCodec or CoFi-Codec that a recipe has trained.

    As :func:`export_run`, but ``codec`` is in the settings. A self-supervised
    network from a folder is copied into the export; one of the hub is named by
    its id.
    """
    codec = hparams["codec"]
    folder = export_codec(
        hparams["export_folder"],
        f"{hparams['output_folder']}/hyperparams.yaml",
        codec,
        hparams["vocoder"],
    )
    ssl = getattr(codec, "ssl", None)  # of SoCodec
    if ssl is not None and Path(ssl.source).is_dir():
        ssl.save_pretrained(folder / "ssl")
        with edit_model(folder) as tree:
            tree["modules"]["codec"]["ssl"]["source"] = "ssl"
    return folder


def export_allocator(folder, codec_folder, hyperparams_file, allocator):
    """Write a token allocator into a model folder.

    Arguments
    ---------
    folder : str | Path
        Folder to write. If it is not ``codec_folder``, the codec's files are
        copied there first.
    codec_folder : str | Path
        A model folder with the codec that the allocator was trained on.
    hyperparams_file : str | Path
        A YAML in which ``model: allocator:`` is defined, such as the
        ``hyperparams.yaml`` that a recipe leaves in its output folder.
    allocator : TokenAllocator
        The trained policy.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the folder holds another codec.
    """
    folder, codec_folder = Path(folder), Path(codec_folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = codec_folder / "codec.safetensors"
    target = folder / source.name
    if target.is_file() and not filecmp.cmp(target, source, shallow=False):
        raise ValueError(
            f"{folder} holds another codec than {codec_folder}, on which this "
            "allocator was trained: choose another export_folder."
        )
    if folder.resolve() != codec_folder.resolve():
        parts = codec_folder.glob("*.safetensors")
        for path in (*parts, codec_folder / MODEL_FILE):
            shutil.copy(path, folder)
    save_weights(allocator, folder / "allocator.safetensors")
    with edit_model(folder) as tree:
        defined = read_definition(hyperparams_file)["allocator"]
        defined.update(allocator.sizes)  # the YAML may take them from the codec
        tree["modules"]["allocator"] = defined
    return folder


def read_definition(hyperparams_file):
    """The ``model`` of a recipe's YAML, with its includes resolved."""
    with open(hyperparams_file) as stream:
        return YAML().load(resolve_references(stream))["model"]


@contextmanager
def edit_model(folder):
    """Edit the YAML of a model folder in place; it is written if no error occurs."""
    path = Path(folder) / MODEL_FILE
    tree = YAML().load(path)
    yield tree
    write_model_yaml(tree, path)


def write_model_yaml(tree, path):
    """Write a model's YAML without comments and blank lines.

    These belong to the recipe's YAML, from which the nodes come.
    """
    written = StringIO()
    YAML().dump(tree, written)
    lines = written.getvalue().splitlines(keepends=True)
    lines = [x for x in lines if x.strip() and not x.lstrip().startswith("#")]
    Path(path).write_text("".join(lines))


def save_weights(module, path):
    """Write a module's weights in half precision; whole numbers stay whole.

    Values too large for half precision are kept in their precision: weights
    before a standardization may have any scale. ``path`` is a safetensors file.
    Raises a ValueError if a weight is NaN.
    """
    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in module.state_dict().items()
    }
    bad = [key for key, value in weights.items() if value.isnan().any()]
    if bad:
        raise ValueError(
            f"The weights {', '.join(bad[:3])} of {type(module).__name__} hold "
            f"NaN: {Path(path).name} is not written. Its training has failed; "
            "resume it from an older checkpoint."
        )
    largest = torch.finfo(torch.float16).max
    for key, value in weights.items():
        if value.is_floating_point() and not (value.abs() > largest).any():
            weights[key] = value.to(torch.float16)
    # save_file of safetensors would write a file that only its owner may read.
    Path(path).write_bytes(save(weights))
