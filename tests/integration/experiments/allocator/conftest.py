"""The allocator recipe's main function."""

import runpy

import pytest
from allocator_recipe import SCRIPT


@pytest.fixture(scope="module")
def main():
    """The recipe's main function."""
    return runpy.run_path(str(SCRIPT))["main"]
