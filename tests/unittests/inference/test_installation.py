"""What is installed: ranges, exact versions, and a pair that does not fit."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import speechbrain_gogo
from speechbrain_gogo import compatibility

REPOSITORY = Path(__file__).resolve().parents[3]


def ranges():
    """Every requirement of setup.py."""
    tree = ast.parse((REPOSITORY / "setup.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper():
            lists = [x for x in ast.walk(node) if isinstance(x, ast.List)]
            for item in lists[0].elts:
                if not isinstance(item, ast.Starred):  # another list
                    yield Requirement(item.value)


def pins():
    """Name to every version that constraints.txt may install."""
    found = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            pin = Requirement(line)
            (exact,) = pin.specifier
            assert exact.operator == "=="
            name = canonicalize_name(pin.name)
            found.setdefault(name, []).append(exact.version)
    return found


def test_constraints_are_inside_the_ranges():
    listed, exact = list(ranges()), pins()
    assert len(listed) > 30
    for requirement in listed:
        assert requirement.specifier, f"{requirement} has no bound"
        for version in exact[canonicalize_name(requirement.name)]:
            assert version in requirement.specifier, requirement


def test_message_names_the_ranges_of_setup():
    working = {Requirement(each) for each in compatibility.WORKING}
    assert working <= set(ranges())


INFO = """import sys
sys.argv[1:] = ["info", "gogo-mini"]
from speechbrain_gogo.cli import main
main()"""

SCRIPT = str(REPOSITORY / "recipes/LibriTTS/codec/train.py")


@pytest.mark.parametrize(
    "error, command",
    [
        ("OSError", INFO),
        ("OSError", "import speechbrain_gogo.inference"),
        ("RuntimeError", "import speechbrain_gogo.dataio.audio"),
        ("ImportError", "import speechbrain_gogo.lobes.gogo"),
        ("OSError", f"__import__('runpy').run_path({SCRIPT!r})"),
    ],
)
def test_torchaudio_that_cannot_be_loaded(tmp_path, error, command):
    """One sentence with the remedy, in Python and in the shell."""
    (tmp_path / "torchaudio.py").write_text(
        f"raise {error}('Could not load this library: x.so')"
    )
    path = f"{tmp_path}{os.pathsep}{REPOSITORY}"
    done = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    told = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "cannot be loaded beside torch" in told and "x.so" in told
    assert "pip install" in told and "'torch>=2.13,<2.16'" in told


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's files alone, in a folder to import from."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("speechbrain_gogo", "hparams"):
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    # What pip calls, without pip.
    build = "from setuptools.build_meta import build_wheel as b; b('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


# What takes seconds to import is imported where it is used.
SLOW = {"inflect", "transformers", "vector_quantize_pytorch", "einx"}
SLOW |= {"torch._dynamo", "sympy", "librosa", "numba", "joblib", "matplotlib"}

USE_WHEEL = (
    f"SLOW = {SLOW}"
    + """
import sys
from hyperpyyaml import load_hyperpyyaml, resolve_references
import speechbrain_gogo
from speechbrain_gogo.cli import main
from speechbrain_gogo.inference import GogoCodec, GogoSpeech
from speechbrain_gogo.inference.loading.export import export_codec

assert speechbrain_gogo.__file__.startswith(sys.argv[1])
import speechbrain_gogo.lobes.speech
speech = GogoSpeech.from_hparams("gogo-mini")
example = speechbrain_gogo.HPARAMS.parent / "pretrained/gogo-mini/example.flac"
assert speech.codec.encode_file(example).shape[1] == 10
assert len(next(speech.stream_voice("The boats came back.")))
print(sorted(SLOW & set(sys.modules)))
for path in sorted(speechbrain_gogo.HPARAMS.rglob("*.yaml")):
    model = resolve_references(f"model: !include:{path} {{}}").read()
    networks = "!new:" in model or "!apply:" in model
    assert networks or path.parent.name == "samplers"  # settings of a flow
    print(path.relative_to(speechbrain_gogo.HPARAMS))

with open("mine.yaml", "w") as file:
    file.write(f"model: !include:{speechbrain_gogo.HPARAMS}/mini/gogo.yaml\\n")
    file.write("    dim: 32\\n    backbone: {dim: 32}\\n")
    vocoder = "speechbrain_gogo.lobes.vocoder.vocoders.GriffinLimVocoder"
    file.write(f"vocoder: !new:{vocoder}\\n")
with open("mine.yaml") as file:
    made = load_hyperpyyaml(file)
networks = made["model"]["codec"], made["vocoder"]
windows = {"window_groups": 48, "overlap_groups": 5}
mine = export_codec("mine", "mine.yaml", *networks, **windows)
assert GogoCodec.from_hparams(mine).vocab_size == 12800
sys.argv[1:] = ["--version"]
main()
"""
)


def test_wheel_has_model_definitions_and_weights(installed, tmp_path):
    """From another folder: all model definitions, and the bundled model.

    Loading it, encoding and speaking import no slow modules.
    """
    done = subprocess.run(
        [sys.executable, "-c", USE_WHEEL, installed],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    slow, *found, version = done.stdout.split()
    assert slow == "[]", slow
    folder = REPOSITORY / "hparams"
    wanted = {str(x.relative_to(folder)) for x in folder.rglob("*.yaml")}
    assert set(found) == wanted and len(wanted) >= 6
    assert version == speechbrain_gogo.__version__
