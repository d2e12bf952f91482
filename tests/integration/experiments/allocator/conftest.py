"""The allocator recipe's main function."""

import runpy
import sys

import pytest
from allocator_recipe import SCRIPT


@pytest.fixture(scope="module")
def main():
    """The recipe's main function."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPT.parent))
        yield runpy.run_path(str(SCRIPT))["main"]
    sys.modules.pop("allocator_experiment", None)
