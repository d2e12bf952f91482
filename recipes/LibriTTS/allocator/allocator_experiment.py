"""What the allocator recipes share, whatever data they read.

Settings with the lines of an ablation, and the way from a trained policy to a
model folder that has it.
"""

from io import StringIO
from pathlib import Path

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from speechbrain.utils.distributed import run_on_main

from speechbrain_gogo.inference.export import export_allocator
from speechbrain_gogo.inference.loading import find_source


def load_experiment(arguments):
    """Settings of a command line; its experiment folder is made.

    Arguments
    ---------
    arguments : list of str
        A YAML, and what replaces its lines. ``--ablation`` names a file of
        more of these; the command line wins over it.

    Returns
    -------
    tuple
        Hyperparameters and the host's run options.
    """
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(run_opts)
    overrides = with_ablation(overrides)
    with open(hparams_file) as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    return hparams, run_opts


def with_ablation(overrides):
    """The lines of an ablation's file below those of the command line.

    Not an include of the main YAML: its lines could not be replaced from the
    command line any more, and each YAML would need files of its own.
    """
    parser, written = YAML(), StringIO()
    given = parser.load(overrides) or {}
    if not given.get("ablation"):
        return overrides
    lines = parser.load(Path(given["ablation"]))
    lines.update(given)
    parser.dump(lines, written)
    return written.getvalue()


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
