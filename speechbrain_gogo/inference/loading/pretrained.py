"""Finding a pretrained model, trusting it, and loading it strictly.

A model is a folder with an include-free ``hyperparams.yaml`` and
``*.safetensors``. Loading a HyperPyYAML file runs the code that it names, so a
YAML may only name networks of a few known packages, unless it is trusted.
"""

import inspect
import pydoc
from pathlib import Path

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from safetensors import SafetensorError
from safetensors.torch import load_file

from speechbrain_gogo.inference.loading.hub import fetch_model, holds_model

# Modules with networks that only compute. Other modules of these packages have
# classes that start processes, load libraries or run a downloaded repository.
TRUSTED_NETWORKS = (
    "speechbrain.lobes.",
    "speechbrain.nnet.",
    "speechbrain.processing.",
    "speechbrain_gogo.lobes.",
    "torch.nn.",
    "transformers.models.",
    "vocos.",
)
HARMLESS_TAGS = ("!ref", "!copy", "!tuple")
PRETRAINED = Path(__file__).parents[2] / "pretrained"


def find_source(source, savedir=None, speech=False, **hub_options):
    """The folder of a model.

    Arguments
    ---------
    source : str | Path
        A bundled name such as "gogo-mini", a folder, or an id of the Hugging
        Face hub. A bundled name wins over a folder of that name.
    savedir : str | Path
        Folder for files from the hub; the hub's own cache by default.
    speech : bool
        Also fetch the language models in a codec's folders.
    **hub_options
        ``revision``, ``token`` and others of huggingface_hub.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is no such model, or ``savedir`` has another one, or an option
        is unknown, also for models that are here.
    """
    if not isinstance(source, (str, Path)) or not str(source).strip():
        raise ValueError(
            f"source={source!r}: give a bundled name such as 'gogo-mini', a "
            "folder, or a hub id."
        )
    if hub_options:
        from huggingface_hub import snapshot_download

        try:
            inspect.signature(snapshot_download).bind_partial(**hub_options)
        except TypeError as error:
            raise ValueError(f"Loading '{source}': {error}.") from None
    for folder in (PRETRAINED / str(source), Path(source)):
        if holds_model(folder):
            return folder
    bundled = [p.parent.name for p in PRETRAINED.glob("*/hyperparams.yaml")]
    hint = f"Bundled models: {', '.join(sorted(bundled)) or 'none'}."
    if Path(source).exists():
        raise ValueError(f"{source} has no hyperparams.yaml. {hint}")

    try:
        return fetch_model(source, savedir, speech, **hub_options)
    except ValueError as error:
        raise ValueError(f"{error} {hint}") from None


def source_name(source):
    """Name of a model: that of its folder, a bundled name or a hub id.

    Example
    -------
    >>> source_name("gogo-mini"), source_name("somebody/gogo")
    ('gogo-mini', 'somebody/gogo')
    """
    folder = Path(source)
    return folder.resolve().name if folder.is_dir() else str(source)


def check_trust(yaml_path):
    """Raise a ValueError for a YAML that would run code other than known networks.

    It names the line and the code that it would run.
    """
    with open(yaml_path) as stream:
        try:
            root = yaml.compose(stream, Loader=yaml.SafeLoader)
            nodes = list(yaml_nodes(root))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{yaml_path} is no YAML: {error}") from None
    trusted = ", ".join(name.rstrip(".") for name in TRUSTED_NETWORKS)
    for node in nodes:
        tag = node.tag
        if tag.startswith("tag:yaml.org,2002:") and "python" not in tag:
            continue
        if tag in HARMLESS_TAGS:
            continue
        kind, _, name = tag.partition(":")
        if kind in ("!new", "!name") and _is_known_network(name):
            continue
        raise ValueError(
            f"{yaml_path}, line {node.start_mark.line + 1}: '{tag}' would run "
            f"code other than networks of {trusted}. Pass "
            "trust_source=True only if you trust whoever wrote this file."
        )


def load_model(folder, overrides=None, trust_source=False):
    """Build a model's modules and give them their weights.

    ``overrides`` replace values of the YAML in the folder, which may run any code
    if ``trust_source``. Returns the hyperparameters, with ``modules``.
    """
    yaml_path = Path(folder) / "hyperparams.yaml"
    if not yaml_path.is_file():
        raise ValueError(
            f"{folder} has no hyperparams.yaml: only SoCodec loads the files "
            "of its authors."
        )
    if not trust_source:
        check_trust(yaml_path)
    with open(yaml_path) as stream:
        try:
            hparams = load_hyperpyyaml(stream, overrides or {})
        except Exception as error:  # any class in the YAML may raise any error
            raise ValueError(
                f"{yaml_path} does not describe a model: {error}"
            ) from error
    modules = isinstance(hparams, dict) and hparams.get("modules")
    if not isinstance(modules, dict) or not all(
        isinstance(module, torch.nn.Module) for module in modules.values()
    ):
        raise ValueError(f"{yaml_path} names no modules: it is no model's.")
    for name, module in modules.items():
        if any(True for _ in module.state_dict()):
            load_weights(module, Path(folder) / f"{name}.safetensors")
    return hparams


def load_weights(module, path):
    """Load a module's weights from a safetensors file, see :func:`load_state`."""
    load_state(module, read_weights(path), path)


def read_weights(path):
    """The tensors of a safetensors file, by name."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"No weights at {path}. Only safetensors are read: a pickled "
            "checkpoint can run code when it is opened. If the download of the "
            "model was cut off, do it again where there is a network."
        )
    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from None


def load_state(module, found, path):
    """Load a state dict strictly; the module keeps its precision.

    The ValueError lists what is missing, unexpected or of another shape. ``path``
    is the file of the weights.
    """
    wanted = module.state_dict()
    faults = [f"missing {key}" for key in wanted if key not in found]
    faults += [f"unexpected {key}" for key in found if key not in wanted]
    faults += [
        f"{key} is {list(found[key].shape)}, not {list(wanted[key].shape)}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    refuse(faults, path, f"the configured {type(module).__name__}")
    module.load_state_dict(found)


def refuse(faults, path, wanted):
    """Raise an error if weights, of a path, have faults and so are not as wanted."""
    if faults:
        listed = "\n  ".join(faults)
        raise ValueError(
            f"The weights of {path} do not match {wanted}, in "
            f"{len(faults)} places:\n  {listed}"
        )


def yaml_nodes(node):
    """Every node of a YAML tree."""
    if node is None:
        return
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from yaml_nodes(key)
            yield from yaml_nodes(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from yaml_nodes(value)


def _is_known_network(name):
    """Whether a dotted name is a network defined by a trusted package.

    Names that a package only imports, such as ``torch.os``, are not trusted.
    Classes in this package's lobes are, whether networks or not.
    """
    if name.split(".")[0] not in {p.split(".")[0] for p in TRUSTED_NETWORKS}:
        return False
    try:
        found = pydoc.locate(name)
    except pydoc.ErrorDuringImport:
        return False
    if not isinstance(found, type):
        return False
    if not found.__module__.startswith(TRUSTED_NETWORKS):
        return False
    ours = found.__module__.startswith("speechbrain_gogo.")
    if ours or issubclass(found, torch.nn.Module):
        return True
    from transformers import PretrainedConfig  # takes long to import

    return issubclass(found, PretrainedConfig)
