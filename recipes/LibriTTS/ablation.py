"""Rows of the paper's ablations, as lines that replace those of a recipe's YAML.

A file of overrides, not a YAML that includes the main one: that would take
away the command line's last word, and need a file for each main one.
"""

from io import StringIO
from pathlib import Path

import speechbrain as sb
from hyperpyyaml.core import recursive_update
from ruamel.yaml import YAML


def parse_arguments(arguments):
    """The host's arguments, with the lines of an ablation below them.

    Arguments
    ---------
    arguments : list of str
        A YAML, and what replaces its lines. ``--ablation`` names a file of
        more of these.

    Returns
    -------
    tuple
        The YAML, run options, and overrides as text.

    Raises
    ------
    ValueError
        If the command line has settings of what the ablation leaves out.
    """
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    parser, written = YAML(), StringIO()
    given = parser.load(overrides) or {}
    if given.get("ablation"):
        lines = parser.load(Path(given["ablation"]))
        try:
            recursive_update(lines, given)
        except TypeError:
            raise ValueError(
                f"The command line ({given}) has settings of what the lines "
                f"of {given['ablation']} leave out: drop either."
            ) from None
        parser.dump(lines, written)
        overrides = written.getvalue()
    return hparams_file, run_opts, overrides
