"""The probing recipe's modules can be imported."""

import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[4] / "recipes/LibriTTS/probing"


@pytest.fixture(autouse=True)
def recipe(monkeypatch):
    """The recipe's modules can be imported, in this test only."""
    names = [path.stem for path in RECIPE.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(RECIPE))
    yield
    for name in names:
        sys.modules.pop(name, None)
