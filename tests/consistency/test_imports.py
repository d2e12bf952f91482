"""Imports between the folders of the package have one direction."""

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "speechbrain_gogo"
FILES = sorted(PACKAGE.rglob("*.py"))

# A room and those that it may import. Brains and inference never import each
# other, networks and metrics know nothing of them, the package no recipes.
ROOMS = {
    "lobes": set(),
    "dataio": set(),
    "metrics": {"dataio"},
    "brains": {"lobes", "dataio", "metrics"},
    "inference": {"lobes", "dataio", "metrics"},
    "serving": {"inference", "dataio"},
    "cli": {"inference", "serving"},
}
CODECS = {"gogo", "socodec", "cofi"}  # never import each other
SHARED = {"nn", "tokens"}  # never import a concept
ADVERSARIAL = "adversarial_codec"  # shared by the two latter codecs


def module_parts(path):
    """Path of a module as its names below the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


@functools.cache
def imported(path):
    """What a file imports from the package, as names below it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            first, *rest = module.split(".")
            assert first != "recipes", f"{path} imports {module}"
            if first == "speechbrain_gogo" and rest:
                found.append(tuple(rest))
    return found


def edges(depth):
    """Pairs of folders of which the first imports the second."""
    for path in FILES:
        own = module_parts(path)[:depth]
        for other in imported(path):
            if own != other[:depth] and len(own) == depth:
                yield own, other[:depth], path


def test_packages_import_allowed_packages_only():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for (own,), (other,), path in edges(1)
        if own in ROOMS and other in ROOMS and other not in ROOMS[own]
    ]
    assert not wrong


def test_codecs_do_not_import_each_other():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for own, other, path in edges(2)
        if own[0] == other[0] == "lobes"
        and len(other) == 2
        and (
            {own[1], other[1]} <= CODECS
            or (own[1] in SHARED and other[1] not in SHARED)
            or (own[1] == ADVERSARIAL and other[1] not in SHARED)
            or (other[1] == ADVERSARIAL and own[1] not in CODECS - {"gogo"})
        )
    ]
    assert not wrong


@pytest.mark.parametrize("room", ["lobes", "dataio", "inference"])
def test_no_circular_imports(room):
    graph = {}
    for own, other, _ in edges(2):
        if own[0] == other[0] == room and len(other) == 2:
            graph.setdefault(own, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {error.args[1]}")


def test_packages_have_docstrings():
    for init in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))
        assert text, f"{init} has no docstring"
        assert len(text.split(". ")) <= 4, f"{init}: at most three sentences"


SCRIPTS = [
    path
    for folder in ("recipes", "bench")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


def first_imports(path):
    """Modules that a script imports at its top, of SpeechBrain and from here."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield node.names[0].name
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_check_torchaudio_before_they_import_the_host(path):
    """SpeechBrain imports torchaudio, and its error does not say what to do."""
    rooms = ("speechbrain", "torchaudio", "recipes")
    names = [x for x in first_imports(path) if x.startswith(rooms)]
    if any(not name.startswith("speechbrain_gogo") for name in names):
        assert names[0] == "speechbrain_gogo.compatibility"
