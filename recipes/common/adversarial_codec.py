"""Training of SoCodec and CoFi-Codec, on every corpus that has manifests."""

import logging

from speechbrain.utils.distributed import run_on_main

from recipes.common.experiment import fit, log_clips, make_brain
from speechbrain_gogo.dataio.manifests.dataset import (
    check_usable,
    recipe_manifests,
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.dataio.shards.batching import (
    loader_settings,
    worker_settings,
)

logger = logging.getLogger(__name__)


def dataio_prepare(hparams):
    """Datasets, loader settings and reports of skipped clips, by stage."""
    datasets, loaders, reports = {}, {}, {}
    workers = worker_settings(
        hparams["num_workers"],
        hparams["prefetch_batches"],
        hparams["pin_memory"],
    )
    for stage, paths in recipe_manifests(hparams).items():
        datasets[stage], reports[stage] = speech_dataset(
            paths,
            sample_rate=hparams["model"]["sample_rate"],
            min_seconds=hparams["min_seconds"],
            max_seconds=hparams["max_seconds"],
            cache_folder=hparams["cache_folder"],
        )
        name = ", ".join(map(str, paths))
        logger.info("%s: %s", name, reports[stage])
        check_usable(datasets[stage], name)
        training = stage == "train"
        key = "batch_seconds" if training else "valid_batch_seconds"
        loaders[stage] = loader_settings(
            datasets[stage],
            training,
            hparams[key],
            hparams["max_batch_clips"],
            hparams["num_buckets"],
            hparams["seed"],
            **workers,
        )
    return datasets, loaders, reports


def train_adversarial_codec(hparams, run_opts, brain_class, export):
    """Train a codec on the manifests of a recipe, and export it.

    Arguments
    ---------
    hparams, run_opts : dict
        From :func:`recipes.common.experiment.start`.
    brain_class : type
        An :class:`~speechbrain_gogo.brains.adversarial_codec.AdversarialCodecBrain`.
    export : callable
        Takes ``hparams``, with the trained ``codec``, and writes it to
        ``export_folder``.
    """
    datasets, loaders, reports = dataio_prepare(hparams)
    hparams["sample_clips"] = list(
        usable_clips(datasets["valid"], hparams["num_samples"])
    )
    hparams["codec"] = hparams["model"]["codec"]
    brain = make_brain(brain_class, hparams, run_opts)
    if not brain.checkpointer.list_checkpoints():
        clips = usable_clips(
            datasets["train"], hparams["mean_clips"], hparams["seed"]
        )
        brain.start_at_means(clips)
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    run_on_main(export, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")
