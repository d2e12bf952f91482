#!/usr/bin/env python3
"""Fine-tune a stage of GogoSpeech on minutes of one voice.

    python train.py hparams/aligned.yaml --data_folder /path/to/recordings

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import run_on_main
from voices import check_letters, export_voice, prepare_recordings

from recipes.common.experiment import start
from recipes.common.training.speech_lm import train_stage
from speechbrain_gogo.brains.plots import plot_overfitting
from speechbrain_gogo.brains.process_group import leave_process_group


def report(hparams):
    """Write the complete model and the plot of training and validation losses."""
    folder = export_voice(hparams)
    output = Path(hparams["output_folder"])
    first, best, last = plot_overfitting(
        output / "progress.jsonl", output / "overfitting.png"
    )
    print(
        f"Validation loss: {first['loss']:.3f} before, {best['loss']:.3f} after "
        f"{best['step']} updates, {last['loss']:.3f} after {last['step']}. The "
        f"model after {best['step']} updates is in {folder}"
    )


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    prepare_recordings(hparams, run_opts["device"])
    if hparams["lm"].stage == 1:
        check_letters(hparams)
    train_stage(hparams, run_opts)
    run_on_main(report, args=[hparams])


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
