"""Lists, settings, links and docstrings agree."""

import ast
import csv
import functools
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions

from recipes.common.settings import compose, parse_arguments

REPOSITORY = Path(__file__).resolve().parents[2]
YAMLS = sorted(REPOSITORY.glob("recipes/*/*/hparams/*.yaml"))
BASES = sorted(REPOSITORY.glob("recipes/common/hparams/**/*.yaml"))
ABLATIONS = [
    path
    for path in sorted(REPOSITORY.glob("recipes/*/*/hparams/*/*.yaml"))
    if "\nbase:" not in path.read_text() and path.stem != "baselines"
]
MODELS = [
    path
    for path in sorted(REPOSITORY.glob("hparams/**/*.yaml"))
    if path.parent.name != "samplers"  # settings of a flow, see test_solvers.py
]
PAGES = [
    page
    for page in sorted(REPOSITORY.glob("**/*.md"))
    if not re.search(r"(^|/)(\.|results/)", str(page.relative_to(REPOSITORY)))
]
SOURCES = [
    path
    for folder in ("speechbrain_gogo", "recipes")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
    if not path.is_symlink()
]
HOST = set(RunOptions().as_dict())


def name(path):
    return str(path.relative_to(REPOSITORY))


def listed():
    """All rows of tests/recipes/*.csv."""
    for path in sorted((REPOSITORY / "tests" / "recipes").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def top_keys(text):
    """The settings of a HyperPyYAML file."""
    return re.findall(r"^([A-Za-z]\w*):", text, re.MULTILINE)


def test_every_recipe_has_a_debug_run():
    rows = list(listed())
    # Some run more than once, with codecs of several kinds.
    assert sorted({row["Hparam_file"] for row in rows}) == [
        name(path) for path in YAMLS
    ]
    for row in rows:
        script, readme = Path(row["Script_file"]), Path(row["Readme_file"])
        folder = Path(row["Hparam_file"]).parent.parent
        assert script.parent == folder == readme.parent
        prepares = [Path(row["Data_prep_file"])] * bool(row["Data_prep_file"])
        for path in (script, readme, *prepares):
            assert (REPOSITORY / path).is_file(), path
        assert (REPOSITORY / folder / "extra_requirements.txt").is_file()


def referred(text):
    """Settings that a YAML's references name: <key> and <key[...]>."""
    return set(re.findall(r"<(\w+)[>\[]", text))


@functools.cache
def names_in_code(folder):
    """Names that the code of a recipe's folder, and of all, may read.

    Those in quotes, attributes of hparams, and f-strings with {stage}.
    """
    files = [
        *folder.glob("*.py"),
        *(REPOSITORY / "recipes" / "common").rglob("*.py"),
        *(REPOSITORY / "speechbrain_gogo" / "brains").rglob("*.py"),
        REPOSITORY / "speechbrain_gogo" / "inference" / "loading" / "export.py",
        REPOSITORY / "speechbrain_gogo" / "dataio" / "manifests" / "dataset.py",
    ]
    code = "\n".join(file.read_text() for file in files)
    return (
        set(re.findall(r"[\"'](\w+)(?=[\"'])", code))
        | set(re.findall(r"hparams\.(\w+)", code))
        | set(re.findall(r"f[\"'](\{stage\}_\w+)[\"']", code))
    )


@pytest.mark.parametrize("path", YAMLS, ids=name)
def test_every_setting_of_a_recipe_is_used(path):
    """In the YAML itself, the recipe's scripts, a Brain, the export, SpeechBrain."""
    yaml = parse_arguments([str(path)]).text  # with its bases
    used = names_in_code(path.parent.parent) | referred(yaml) | HOST
    unused = [
        key
        for key in top_keys(yaml)
        # hparams[f"{stage}_csv"] reads train_csv and valid_csv.
        if not {key, re.sub("^(train|valid|test)_", "{stage}_", key)} & used
    ]
    assert not unused


@pytest.mark.parametrize("path", MODELS, ids=name)
def test_every_setting_of_a_model_is_used(path):
    """In the YAML itself, or by a recipe that includes it."""
    yaml = path.read_text()
    users = "\n".join(
        file.read_text()
        for file in [*YAMLS, *BASES, *REPOSITORY.glob("recipes/*/*/*.py")]
    )
    unused = [
        key
        for key in top_keys(yaml)
        if not re.search(rf"<{key}[>\[]", yaml)
        and not re.search(rf"<model\[{key}[\]]", users)
        and not re.search(rf"\[\"model\"\]\[\"{key}\"\]", users)
    ]
    assert not unused


@pytest.mark.parametrize(
    "path",
    [path for path in YAMLS if "\nbase:" in path.read_text()],
    ids=name,
)
def test_recipe_repeats_no_setting_of_its_bases(path, tmp_path):
    text = path.read_text()
    bases = re.search(r"^base:.*\n(?: +- .*\n)*", text, re.MULTILINE)[0]
    bases = bases.replace("!include:", f"!include:{path.parent}/")
    (tmp_path / "bases.yaml").write_text(bases)
    bases, own = compose(tmp_path / "bases.yaml"), YAML().load(text)

    def content(node):
        return str(getattr(node, "tag", "")), str(getattr(node, "value", node))

    both = set(own) & set(bases)
    assert not [k for k in both if content(own[k]) == content(bases[k])]


@functools.cache
def composed(path):
    """The settings of a recipe's YAML and its bases."""
    return set(compose(path))


@pytest.mark.parametrize("path", ABLATIONS, ids=name)
def test_ablations_override_settings_that_exist(path):
    """Of all YAMLs of the recipe that take ablations, also those of Emilia."""
    own, emilia = path.parents[2], REPOSITORY / "recipes" / "Emilia"
    mains = [*own.glob("hparams/*.yaml")]
    mains += emilia.glob(f"{own.name}/hparams/*.yaml")
    known = [k for k in map(composed, mains) if "ablation" in k]
    assert known
    for settings in known:
        assert set(top_keys(path.read_text())) <= settings


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_of_the_repository_exist(page):
    """Those to files of the repository; the others need a network."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    links += re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    local = [link for link in links if not re.match(r"[a-z]+:|#", link)]
    dead = [
        link
        for link in local
        if not (page.parent / link.split("#")[0]).exists()
    ]
    assert not dead


def test_tests_named_in_faults_md_exist():
    """Those that tests/faults.md names, in the files that it names."""
    table = (REPOSITORY / "tests" / "faults.md").read_text()
    named = re.findall(r"`(\w+/[\w/]+\.py)::(\w+)`", table)
    assert len(named) > 40
    for path, test in named:
        text = (REPOSITORY / "tests" / path).read_text()
        assert f"def {test}(" in text, f"{path} has no {test}"


def public(tree):
    """Public functions and classes, and the methods of the latter."""
    for node in tree.body:
        kinds = ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    nameless = [n.name for n in public(tree) if not ast.get_docstring(n)]
    assert not nameless
    assert ast.get_docstring(tree) or not tree.body
