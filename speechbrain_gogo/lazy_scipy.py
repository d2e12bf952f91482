"""Imports SpeechBrain without scipy.stats, most of the time of that import.

SpeechBrain's samplers import one distribution of it, for batches of similar
durations. Here that distribution is loaded when it is first used, so that
whoever only encodes, decodes or speaks does not wait for it.
"""

import importlib.util
import sys

NAME, DISTRIBUTION = "scipy.stats", "lognorm"


class LazyDistribution:
    """Stands for ``scipy.stats.lognorm``, and loads it when it is used."""

    def __call__(self, *args, **kwargs):
        """The frozen distribution of parameters."""
        return getattr(load_stats(), DISTRIBUTION)(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(getattr(load_stats(), DISTRIBUTION), name)


def lazy_stats():
    """A module that stands for scipy.stats: other names of it load it."""
    module = importlib.util.module_from_spec(importlib.util.find_spec(NAME))
    setattr(module, DISTRIBUTION, LazyDistribution())
    module.__getattr__ = lambda name: getattr(load_stats(), name)
    return module


def load_stats():
    """The real module, which replaces one that stands for it."""
    if is_lazy(sys.modules.get(NAME)):
        del sys.modules[NAME]
    return importlib.import_module(NAME)


def is_lazy(module):
    """Whether a module is one of :func:`lazy_stats`."""
    return isinstance(getattr(module, DISTRIBUTION, None), LazyDistribution)


def import_speechbrain():
    """Import SpeechBrain, without scipy.stats unless that is imported already."""
    if NAME in sys.modules or "speechbrain" in sys.modules:
        return
    sys.modules[NAME] = lazy_stats()
    try:
        importlib.import_module("speechbrain")
    finally:
        if is_lazy(sys.modules.get(NAME)):
            del sys.modules[NAME]
