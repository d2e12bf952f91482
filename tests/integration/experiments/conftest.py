"""A fixture of the tests of recipes: importable scripts."""

import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


@pytest.fixture
def scripts_of(monkeypatch):
    """Makes the scripts of a recipe's folder importable, in this test only."""
    added = []

    def add(name):
        folder = RECIPES / name
        for path in folder.glob("*.py"):
            monkeypatch.delitem(sys.modules, path.stem, raising=False)
            added.append(path.stem)
        monkeypatch.syspath_prepend(folder)
        return folder

    yield add
    for name in added:
        sys.modules.pop(name, None)
