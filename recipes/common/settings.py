"""Settings of an experiment: a YAML, its bases, an ablation, the command line.

A recipe's YAML may name bases, YAMLs that it shares with others, and holds only
what differs from them:

    base: !include:train.yaml
    learning_rate: 0.001

HyperPyYAML alone would nest the included settings below ``base``. Here they
become settings of the YAML itself, before references are resolved: the command
line can override each of them. It may also name an ``ablation``, a YAML whose
lines replace those of any recipe's YAML.
"""

import os
import re
import shutil
import sys
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml, resolve_references
from hyperpyyaml.core import recursive_update
from ruamel.yaml import YAML

INCLUDE = "!include:"
DRY_RUN = "--dry_run"


class Settings(NamedTuple):
    """Settings of a command line.

    ``file`` is the recipe's YAML; ``text`` has it and its bases as one YAML,
    ``overrides`` the settings that an ablation and the command line override.
    ``run_opts`` are SpeechBrain's.
    """

    file: Path
    text: str
    overrides: str
    run_opts: dict

    def load(self):
        """Create the objects of the YAML, as a dict."""
        return load_hyperpyyaml(self._stream(), self.overrides)

    def save(self, path):
        """Write the YAML with all references resolved."""
        resolved = resolve_references(self._stream(), self.overrides)
        with open(path, "w", encoding="utf-8") as file:
            print(f"# {self.file.resolve()}\n# yamllint disable", file=file)
            shutil.copyfileobj(resolved, file)

    def tree(self):
        """The YAML with all references resolved, without objects, as a dict."""
        resolved = resolve_references(
            self._stream(), self.overrides, overrides_must_match=True
        )
        return YAML().load(resolved)

    def override(self, **changes):
        """A copy with other values; changes of unknown settings are ignored."""
        known = YAML().load(self.text)
        changes = {name: changes[name] for name in changes if name in known}
        overrides = YAML().load(self.overrides or "") or {}
        return self._replace(overrides=_dump({**overrides, **changes}))

    def output_folder(self, hparams):
        """The experiment's folder, from the values of other settings."""
        overrides = YAML().load(self.overrides or "") or {}
        both = {**YAML().load(self.text), **overrides}
        name = getattr(both["output_folder"], "value", both["output_folder"])
        return re.sub(r"<(\w+)>", lambda m: str(hparams[m[1]]), str(name))

    def _stream(self):
        """The text as a file, whose name gives the folder of included files."""
        stream = StringIO(self.text)
        stream.name = str(self.file)
        return stream


def parse_arguments(arguments):
    """Settings of a command line: a YAML, and overrides of what it has.

    ``--ablation`` names a YAML of further overrides, which have lower priority.
    ``--dry_run`` prints what the experiment would read, write and take, and
    exits. Raises a ValueError if an argument has no name, the command line
    overrides settings that the ablation removes, or a base is no included file.
    """
    dry_run = DRY_RUN in arguments
    arguments = [word for word in arguments if word != DRY_RUN]
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    given = YAML().load(overrides) or {}
    if not isinstance(given, dict):
        raise ValueError(
            f"'{given}' has no name: write settings as --name value, and "
            f"{DRY_RUN} without a value."
        )
    if given.get("ablation"):
        lines = YAML().load(Path(given["ablation"])) or {}
        try:
            recursive_update(lines, given)
        except TypeError:
            raise ValueError(
                f"The command line ({given}) has settings that "
                f"{given['ablation']} removes: drop one of them."
            ) from None
        overrides = _dump(lines)
    file = Path(hparams_file)
    settings = Settings(file, _dump(compose(file)), overrides, run_opts)
    if dry_run:
        from recipes.common.dry_run.plan import tell  # of the data, too

        if os.environ.get("RANK", "0") == "0":  # of torchrun
            tell(settings)
        sys.exit(0)
    return settings


def compose(path, folder=None):
    """Read a YAML and its bases as one tree, a dict, with tags as they are.

    Settings of later bases replace those of earlier ones, and settings of the
    YAML itself replace both. A mapping without a tag (``opt_class: {lr: 1}``)
    replaces single entries, also those of an object; anything else replaces
    the whole setting. Paths of included files become relative to ``folder``, the
    YAML's own by default. Raises a ValueError if a base is no included file.
    """
    path = Path(path).resolve()
    folder = folder or path.parent

    def relative(include):
        return INCLUDE + os.path.relpath(path.parent / include[1], folder)

    text = path.read_text(encoding="utf-8")
    settings = YAML().load(re.sub(rf"{INCLUDE}(\S+)", relative, text)) or {}
    bases = settings.pop("base", [])
    tree = {}
    for base in bases if isinstance(bases, list) else [bases]:
        if not _tag(base).startswith(INCLUDE):
            raise ValueError(
                f"{path}: base has to be `{INCLUDE}FILE` or a list of such."
            )
        file = folder / _tag(base).removeprefix(INCLUDE)
        tree = _replace(tree, compose(file, folder))
    return _replace(tree, settings) if tree else settings


def _tag(node):
    """The tag of a node, "" if it has none."""
    return getattr(getattr(node, "tag", None), "value", None) or ""


def _replace(tree, changes):
    """Replace settings of a tree by those of another."""
    for key, change in changes.items():
        old = tree.get(key)
        plain = isinstance(change, dict) and not _tag(change)
        if plain and isinstance(old, dict):
            _replace(old, change)
            old.fa.set_block_style()  # braces would break its comments
            continue
        # An object without arguments gets some; a reference is replaced.
        if plain and ":" in _tag(old):
            change.yaml_set_ctag(old.tag)
        tree[key] = change
    return tree


def _dump(tree):
    """A tree as text."""
    stream = StringIO()
    YAML().dump(tree, stream)
    return stream.getvalue()
