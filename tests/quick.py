"""Slow parts of experiments on which no result depends.

Tests leave it out in their own process (tiny_gogo.py) and in those that they
fork (processes.py); those that look at plots ask for ``real_plots``.
"""

import functools
import pickle
from pathlib import Path

import speechbrain as sb
import yaml
from matplotlib.figure import Figure
from ruamel.yaml import YAML

from speechbrain_gogo.brains import plots
from speechbrain_gogo.brains.logs import watching
from speechbrain_gogo.brains.logs.throughput import Throughput

# Texts of a plot take a second to lay out and draw, twenty axes half of one.
DRAWING = [(Figure, name) for name in ("savefig", "tight_layout")]
DRAWING += [(plots.plot_curves, "__code__")]  # wherever it is imported
DRAWING = [(place, name, getattr(place, name)) for place, name in DRAWING]
PARSE = YAML.load


def make_quick(patch):
    """Write empty plots, and leave out SpeechBrain's list of packages.

    Arguments
    ---------
    patch : pytest.MonkeyPatch
        Undoes it.
    """
    patch.setattr(sb.utils.logger, "get_environment_description", lambda: "")
    patch.setattr(Figure, "tight_layout", lambda self, **_: None)
    patch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).touch())
    patch.setattr(plots.plot_curves, "__code__", no_curves.__code__)
    patch.setattr(watching, "Throughput", Untimed)
    patch.setattr(YAML, "load", parse)
    # SpeechBrain reads what every checkpoint says of itself, again and again.
    for name in ("Loader", "SafeLoader"):
        patch.setattr(yaml, name, getattr(yaml, f"C{name}"))


class Untimed(Throughput):
    """Says nothing: logs of the same training are the same."""

    def read(self):
        """No figures."""
        return {}


def no_curves(log_path, image_path):
    """An empty image, by names that plots.py knows."""
    Path(image_path).parent.mkdir(parents=True, exist_ok=True)
    Path(image_path).touch()


def parse(self, stream):
    """Parse a YAML once: every run of a recipe reads a dozen, the same ones.

    Each time the tree is a new one.
    """
    if isinstance(stream, Path):
        stream = stream.read_text(encoding="utf-8")
    text = stream if isinstance(stream, str) else stream.read()
    if type(self) is not YAML or self.typ != ["rt"]:
        return PARSE(self, text)
    return pickle.loads(_parse_once(text))


@functools.lru_cache(1000)
def _parse_once(text):
    return pickle.dumps(PARSE(YAML(), text))


def make_plots(patch):
    """Draw plots again."""
    for place, name, method in DRAWING:
        patch.setattr(place, name, method)
