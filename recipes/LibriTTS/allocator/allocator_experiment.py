"""What the allocator recipes share, whatever data they read.

Overrides with the lines of an ablation, and the way from a trained policy to a
model folder that has it.
"""

from io import StringIO
from pathlib import Path

import speechbrain as sb
from ruamel.yaml import YAML
from speechbrain.utils.distributed import run_on_main

from speechbrain_gogo.inference.export import export_allocator
from speechbrain_gogo.inference.loading import find_source


def parse_arguments(arguments):
    """The host's arguments, with the lines of an ablation below them.

    A file of overrides, not a YAML that includes the main one: that would
    take away the command line's last word, and need a file for each main one.

    Arguments
    ---------
    arguments : list of str
        A YAML, and what replaces its lines. ``--ablation`` names a file of
        more of these.

    Returns
    -------
    tuple
        The YAML, run options, and overrides as text.
    """
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    parser, written = YAML(), StringIO()
    given = parser.load(overrides) or {}
    if given.get("ablation"):
        lines = parser.load(Path(given["ablation"]))
        lines.update(given)
        parser.dump(lines, written)
        overrides = written.getvalue()
    return hparams_file, run_opts, overrides


def export_best(brain, hparams):
    """Write the codec with the policy that earned most in validation."""
    brain.on_evaluate_start(max_key="reward")  # loads that checkpoint
    settings = {
        "folder": hparams["export_folder"],
        "codec_folder": find_source(hparams["source"]),
        "hyperparams_file": f"{hparams['output_folder']}/hyperparams.yaml",
        "allocator": hparams["model"]["allocator"],
    }
    run_on_main(export_allocator, kwargs=settings)
    print(f"The codec with its allocator is in {hparams['export_folder']}")
