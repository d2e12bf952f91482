"""From a training run to a folder that ``from_hparams`` loads.

The folder holds an include-free ``hyperparams.yaml`` with nothing but the
networks that are used, and their weights as safetensors, in half precision.
"""

import filecmp
import inspect
import shutil
from io import StringIO
from pathlib import Path

import torch
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from safetensors.torch import save


def export_codec(folder, hyperparams_file, codec, vocoder, **settings):
    """Write a codec folder.

    Arguments
    ---------
    folder : str | Path
        Where to; created if need be.
    hyperparams_file : str | Path
        A YAML in which ``model: codec:`` is defined, such as the
        ``hyperparams.yaml`` that a recipe leaves in its output folder.
    codec : Gogo
        Whose weights are written; the averaged ones, of course.
    vocoder : Vocoder
        Defined by the sizes that it was made with, wherever its weights came
        from (a recipe may take them from a hub), and these weights, if any.
    **settings
        Further lines of the YAML: ``window_groups`` and ``overlap_groups``.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(hyperparams_file) as stream:
        resolved = resolve_references(stream)
    tree = YAML().load(resolved)
    networks = {"codec": tree["model"]["codec"], "vocoder": define(vocoder)}
    tree = {**settings, "modules": networks}
    write_model_yaml(tree, folder / "hyperparams.yaml")
    save_weights(codec, folder / "codec.safetensors")
    if vocoder.state_dict():
        save_weights(vocoder, folder / "vocoder.safetensors")
    return folder


def define(module):
    """A module as a node of YAML: its class and the numbers it was made with.

    Arguments
    ---------
    module : torch.nn.Module
        Has every argument of its class as an attribute of that name.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap

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
    """Write the codec that a recipe has trained.

    Arguments
    ---------
    hparams : dict
        Of the recipe: ``output_folder`` with the run's hyperparams.yaml,
        ``export_folder``, ``ema`` around the codec, ``vocoder``,
        ``window_groups`` and ``overlap_groups``.

    Returns
    -------
    Path
        The export folder.
    """
    return export_codec(
        hparams["export_folder"],
        f"{hparams['output_folder']}/hyperparams.yaml",
        hparams["ema"].module,
        hparams["vocoder"],
        window_groups=hparams["window_groups"],
        overlap_groups=hparams["overlap_groups"],
    )


def export_allocator(folder, codec_folder, hyperparams_file, allocator):
    """Write a token allocator into a model folder.

    Arguments
    ---------
    folder : str | Path
        Where to. If it is not ``codec_folder`` itself, that one's model is
        copied there first.
    codec_folder : str | Path
        A model folder with the codec that the allocator was trained on.
    hyperparams_file : str | Path
        A YAML in which ``model: allocator:`` is defined, such as the
        ``hyperparams.yaml`` that a recipe leaves in its output folder.
    allocator : TokenAllocator
        Whose weights are written.

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
    theirs = codec_folder / "codec.safetensors"
    ours = folder / theirs.name
    if ours.is_file() and not filecmp.cmp(ours, theirs, shallow=False):
        raise ValueError(
            f"{folder} holds another codec than {codec_folder}, on which this "
            "allocator was trained: choose another export_folder."
        )
    if folder.resolve() != codec_folder.resolve():
        parts = codec_folder.glob("*.safetensors")
        for path in (*parts, codec_folder / "hyperparams.yaml"):
            shutil.copy(path, folder)
    save_weights(allocator, folder / "allocator.safetensors")
    with open(hyperparams_file) as stream:
        resolved = resolve_references(stream)
    parser = YAML()
    tree = parser.load(folder / "hyperparams.yaml")
    defined = parser.load(resolved)["model"]["allocator"]
    tree["modules"]["allocator"] = defined
    write_model_yaml(tree, folder / "hyperparams.yaml")
    return folder


def write_model_yaml(tree, path):
    """Write a model's YAML without the recipe's comments and blank lines.

    They come along with the nodes, and mean nothing there.
    """
    written = StringIO()
    YAML().dump(tree, written)
    lines = written.getvalue().splitlines(keepends=True)
    lines = [x for x in lines if x.strip() and not x.lstrip().startswith("#")]
    Path(path).write_text("".join(lines))


def save_weights(module, path):
    """Write a module's weights in half precision; whole numbers stay whole.

    What is too large for half precision stays as it is: the projections that
    a quantizer standardizes may be of any size.

    Arguments
    ---------
    module : torch.nn.Module
        Any.
    path : str | Path
        A safetensors file.
    """
    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in module.state_dict().items()
    }
    largest = torch.finfo(torch.float16).max
    for key, value in weights.items():
        if value.is_floating_point() and not (value.abs() > largest).any():
            weights[key] = value.to(torch.float16)
    # What safetensors' save_file writes, nobody but the owner may read.
    Path(path).write_bytes(save(weights))
