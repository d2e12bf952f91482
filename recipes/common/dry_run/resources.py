"""What an experiment would take: parameters, updates, memory."""

import contextlib
import tempfile
from typing import NamedTuple

import huggingface_hub.constants
from torch import nn

# Bytes of AdamW for each parameter, by setting ``adamw``: two moments and, of
# "master", a float32 copy of the parameter (docs/memory.md).
MOMENTS = {"torch": 8, "master": 12, "8bit": 2}


class Size(NamedTuple):
    """Parameters of an experiment.

    ``trained`` has the numbers of those that are trained, by module, and
    ``trained_bytes`` their size. ``other_bytes`` is the size of all others:
    averages, and frozen weights, codecs and vocoders.
    """

    trained: dict
    trained_bytes: int
    other_bytes: int

    def bytes_of_training(self, moments):
        """Weights, gradients and the optimizer, without activations."""
        number = sum(self.trained.values())
        return 2 * self.trained_bytes + moments * number + self.other_bytes

    def bytes_of_checkpoint(self, moments):
        """Weights with their averages, and the optimizer, at most."""
        number = sum(self.trained.values())
        return self.trained_bytes + moments * number + self.other_bytes


def create(settings):
    """Create the objects of a YAML, and leave no files.

    Nothing is fetched from the hub, and what they write goes to a folder that
    is deleted. Gives the hyperparameters, and those of them that are no
    objects, with the experiment's own output folder.
    """
    with tempfile.TemporaryDirectory() as folder, _offline():
        there = settings.override(output_folder=folder, loggers=[])
        hparams = there.load()
    output = settings.output_folder(hparams)
    return hparams, _plain(hparams, folder, output)


def _plain(tree, folder, output):
    """Numbers, texts, and lists and dicts of them, in another folder."""
    if isinstance(tree, dict):
        parts = {k: _plain(v, folder, output) for k, v in tree.items()}
        return {k: v for k, v in parts.items() if v is not NotImplemented}
    if isinstance(tree, (list, tuple)):
        parts = (_plain(value, folder, output) for value in tree)
        return [value for value in parts if value is not NotImplemented]
    if isinstance(tree, str):
        return tree.replace(folder, output)
    if tree is None or isinstance(tree, (bool, int, float)):
        return tree
    return NotImplemented  # an object


def measure(hparams):
    """Count the parameters of what :func:`create` gave, as a Size."""
    trained = dict(_modules(hparams.get("modules") or {}))
    own = {
        id(weight): weight
        for module in trained.values()
        for weight in module.parameters()
        if weight.requires_grad
    }
    others = {
        id(weight): weight
        for _, module in _modules(hparams)
        for weight in module.parameters()
        if id(weight) not in own
    }
    counts = {
        name: sum(w.numel() for w in module.parameters() if w.requires_grad)
        for name, module in trained.items()
    }
    return Size(counts, _bytes(own.values()), _bytes(others.values()))


def _modules(tree, name=""):
    """Modules in nested dicts, each with the name of its entry."""
    if isinstance(tree, nn.Module):
        yield name, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _modules(value, str(key))


def _bytes(weights):
    return sum(w.numel() * w.element_size() for w in weights)


@contextlib.contextmanager
def _offline():
    """Files of the hub come from its cache, or not at all."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before
