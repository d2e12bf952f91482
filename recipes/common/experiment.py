"""Start, training and summary of an experiment, the same in all recipes."""

import shutil
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, run_on_main

from recipes.common.manifests import prepare_manifests
from recipes.common.settings import parse_arguments
from speechbrain_gogo.brains.logs.loggers import log_report


def start(script, arguments, stages=("train", "valid")):
    """Load the YAML, create the experiment's folder and its manifests.

    The folder gets a copy of the script. Manifests of ``stages`` are made from
    LibriTTS if the YAML has ``skip_prep`` and it is False. Gives
    hyperparameters and run options.
    """
    settings = parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(settings.run_opts)
    hparams = settings.load()
    # SpeechBrain copies this file, not the recipe's, and knows no bases of YAMLs.
    sb.create_experiment_directory(hparams["output_folder"])
    if if_main_process():
        shutil.copy(script, hparams["output_folder"])
        settings.save(Path(hparams["output_folder"]) / "hyperparams.yaml")
    if not hparams.get("skip_prep", True):
        wanted = {"hparams": hparams, "stages": stages}
        run_on_main(prepare_manifests, kwargs=wanted)
    return hparams, settings.run_opts


def make_brain(brain_class, hparams, run_opts, modules=None):
    """Create a Brain from what :func:`start` gave.

    ``modules`` replaces those of the YAML.
    """
    return brain_class(
        modules=hparams["modules"] if modules is None else modules,
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )


def fit(brain, datasets, loaders):
    """Train a Brain on datasets and settings of loaders, by stage."""
    brain.fit(
        brain.hparams.epoch_counter,
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=loaders["train"],
        valid_loader_kwargs=loaders["valid"],
    )


def log_clips(brain, train=None, valid=None):
    """Log ClipReports, if given; all ranks call it."""
    train_logger = brain.hparams.train_logger
    if valid is not None:
        report = brain.validation_report(valid)
        log_report(train_logger, "validation data", report)
    if train is not None:
        log_report(train_logger, "training data", brain.training_report(train))
