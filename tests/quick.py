"""What an experiment spends seconds on and no result depends on.

Tests leave it out in their own process (conftest.py) and in those that they
fork (processes.py); those that look at plots ask for ``real_plots``.
"""

from pathlib import Path

import speechbrain as sb
from matplotlib.figure import Figure

# Texts of a plot take a second to lay out and draw.
DRAWING = {name: getattr(Figure, name) for name in ("savefig", "tight_layout")}


def make_quick(patch):
    """Write empty plots, and leave out the host's list of packages.

    Arguments
    ---------
    patch : pytest.MonkeyPatch
        Undoes it.
    """
    patch.setattr(sb.utils.logger, "get_environment_description", lambda: "")
    patch.setattr(Figure, "tight_layout", lambda self, **_: None)
    patch.setattr(Figure, "savefig", lambda self, path, **_: Path(path).touch())


def make_plots(patch):
    """Draw plots again."""
    for name, method in DRAWING.items():
        patch.setattr(Figure, name, method)
