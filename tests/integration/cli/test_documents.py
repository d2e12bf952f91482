"""Code blocks of docs/ and of the README are run, or checked if they have a title."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from code_blocks import REPOSITORY, TITLES, read_blocks, read_commands
from ruamel.yaml import YAML
from typer.main import get_command
from typer.testing import CliRunner

from recipes.common.settings import DRY_RUN, parse_arguments
from speechbrain_gogo.cli import app
from speechbrain_gogo.inference.loading import pretrained
from speechbrain_gogo.inference.loading.export import export_allocator

PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
PAGES = [page for page in PAGES if any(read_blocks(page))]
OTHERS = ("convert_hf_to_gguf.py",)  # llama.cpp
ALLOCATOR = """
model:
    allocator: !new:speechbrain_gogo.lobes.allocator.policy.TokenAllocator
        in_dim: 32
        backbone_size: 3
        num_tokens: 10
        dim: 16
        num_layers: 1
        num_heads: 2
        ffn_dim: 32
"""


def name(page):
    return str(page.relative_to(REPOSITORY))


@pytest.fixture(scope="module")
def bundle(tiny_speech_folder, tmp_path_factory):
    """A folder of bundled models whose gogo-mini is tiny, with an allocator."""
    folder = tmp_path_factory.mktemp("pretrained") / "gogo-mini"
    shutil.copytree(tiny_speech_folder, folder)
    (folder.parent / "allocator.yaml").write_text(ALLOCATOR)
    from hyperpyyaml import load_hyperpyyaml

    allocator = load_hyperpyyaml(ALLOCATOR)["model"]["allocator"]
    yaml = folder.parent / "allocator.yaml"
    export_allocator(folder, folder, yaml, allocator)
    return folder.parent


@pytest.fixture
def place(bundle, tmp_path, monkeypatch, tiny_corpus):
    """Where a reader would be: with recordings, beside the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "PRETRAINED", bundle)
    noise = 0.1 * np.random.default_rng(0).standard_normal(24000)
    for file in ("in.wav", "in.mp3", "voice.wav", "prompt.wav"):
        soundfile.write(file, noise, 24000)
    for folder in ("recordings", "docs"):
        Path(folder).mkdir()
    shutil.copy("in.wav", "recordings")
    shutil.copytree(bundle / "gogo-mini", "results/mine")
    shutil.copy(tiny_corpus / "valid.csv", "train.csv")
    Path("speechbrain_gogo").symlink_to(REPOSITORY / "speechbrain_gogo")
    return tmp_path


@pytest.fixture
def names(request):
    """What pages take for granted: audio, a player, a folder of a model."""
    folders = {
        "cofi.md": "tiny_cofi_folder",
        "cofi_speech.md": "tiny_cofi_speech_folder",
        "socodec.md": "tiny_socodec_speech_folder",
    }

    def of_page(page):
        found = {
            "wavs": 0.1 * torch.randn(2, 24000),
            "wav_lens": torch.tensor([1.0, 0.5]),
            "play": len,
        }
        if page.name in folders:
            found["folder"] = request.getfixturevalue(folders[page.name])
        return found

    return of_page


def spelled_out(word, corpus):
    """A word of a command, with what a page leaves to the reader."""
    return (
        "Some words." if word == "..." else word.replace("/data", str(corpus))
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_run(page, place, names, tiny_corpus):
    """Python blocks of a page one after the other, and the commands of `gogo`."""
    known = names(page)
    with torch.random.fork_rng():
        for block in read_blocks(page):
            if block.title:
                continue
            if block.language == "python":
                code = "\n" * (block.line - 1) + block.text
                exec(compile(code, name(page), "exec"), known)
                continue
            for words in read_commands(block.text):
                if words[0] != "gogo":
                    continue  # checked below
                words = [spelled_out(x, tiny_corpus) for x in words]
                done = CliRunner().invoke(app, words[1:])
                assert done.exit_code == 0, (words, done.output)


def check_gogo(words):
    """Options and arguments are those of the command."""
    if words[1] == "--help":
        return
    command = get_command(app).commands[words[1]]
    command.make_context("gogo", words[2:], resilient_parsing=True)


def check_script(words, folder):
    """The script and its YAMLs exist, and the YAML has every setting."""
    script = folder / words[0]
    assert script.is_file(), script
    if len(words) == 1 or not words[1].endswith(".yaml"):
        text = script.read_text()
        options = [x for x in words if x.startswith("--")]
        for option in options:
            written = option[2:].removeprefix("no-").replace("-", "_")
            assert written in text or option in text, (script, option)
        return
    here = os.getcwd()
    os.chdir(folder)
    try:
        # A dry run would end this process.
        settings = parse_arguments([w for w in words[1:] if w != DRY_RUN])
        given = YAML().load(settings.overrides) or {}
        unknown = set(given) - set(YAML().load(settings.text))
    finally:
        os.chdir(here)
    assert not unknown, f"{words}: no settings {unknown}"


def check_pip(words):
    """Extras of this package are in its setup.py."""
    extras = {x for word in words for x in re.findall(r"\[([\w,]+)\]", word)}
    text = (REPOSITORY / "setup.py").read_text()
    for extra in extras:
        assert f'"{extra}":' in text, extra


def is_script(word):
    """Whether it is a Python file, and not one of another project."""
    return word.endswith(".py") and word not in OTHERS


def check(words, folder):
    """A command by its kind; whether the kind is known."""
    makefile = (REPOSITORY / "Makefile").read_text()
    if words[0] == "torchrun":
        rest = [x for x in words[1:] if not x.startswith("--")]
        start = words.index(rest[0])
        return check(["python"] * ("gogo" not in rest) + words[start:], folder)
    if words[0] == "gogo":
        check_gogo(words)
    elif words[0] == "python" and is_script(words[1]):
        check_script(words[1:], folder)
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words
    elif words[:2] == ["pip", "install"]:
        check_pip(words)
    else:
        return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_blocks_exist(page):
    """Scripts, settings, options, targets and extras; titles that are known."""
    for block in read_blocks(page):
        assert block.title is None or block.title in TITLES, block
        if block.language == "python":
            ast.parse(block.text)
            continue
        folder = REPOSITORY
        for words in read_commands(block.text):
            if words[0] == "cd":
                folder = (folder / words[1]).resolve()
                assert folder.is_dir(), words
                continue
            known = check(words, folder)
            assert known or block.title, f"{page}, line {block.line}: {words}"
            runs = words[0] in ("gogo", "make") or page.name == "README.md"
            assert runs or block.title, f"{page}, line {block.line}: no title"


def test_reference_lists_all_commands():
    text = (REPOSITORY / "docs/reference/commands.md").read_text()
    listed = set(re.findall(r"^\| `gogo (\w+)", text, re.MULTILINE))
    assert listed == set(get_command(app).commands)


@pytest.mark.long
def test_site_builds_without_warnings(tmp_path):
    """`make docs`; every link inside the site leads somewhere."""
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    command += ["--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    pages = [*tmp_path.rglob("*.html")]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"(?:href|src)=\"([^\"#?]+)", page.read_text())
        if not re.match(r"[a-z]+:|/", link)
    ]
    assert len(pages) > 30 and len(links) > 1000
    assert not [x for x in links if not (x[0].parent / x[1]).exists()]
