"""The data of trainings on CSV manifests: datasets, batches and reports."""

import logging

from speechbrain_gogo.dataio.manifests.dataset import (
    check_usable,
    recipe_manifests,
    speech_dataset,
)
from speechbrain_gogo.dataio.shards.batching import (
    loader_settings,
    worker_settings,
)

logger = logging.getLogger(__name__)


def manifest_datasets(hparams, sample_rate, tokenizer=None):
    """Datasets and reports of skipped rows of "train" and "valid", by stage.

    Settings are those of ``recipes/common/hparams/data/manifests.yaml``; a
    tokenizer (sentencepiece) adds text tokens. A stage without a usable clip is
    an error.
    """
    datasets, reports = {}, {}
    for stage, paths in recipe_manifests(hparams).items():
        datasets[stage], reports[stage] = speech_dataset(
            paths,
            sample_rate=sample_rate,
            min_seconds=hparams["min_seconds"],
            max_seconds=hparams["max_seconds"],
            tokenizer=tokenizer,
            cache_folder=hparams["cache_folder"],
        )
        name = ", ".join(map(str, paths))
        logger.info("%s: %s", name, reports[stage])
        check_usable(datasets[stage], name)
    return datasets, reports


def speech_datasets(hparams, sample_rate, tokenizer=None):
    """:func:`manifest_datasets`, with :func:`speech_loaders` between the two."""
    datasets, reports = manifest_datasets(hparams, sample_rate, tokenizer)
    return datasets, speech_loaders(hparams, datasets), reports


def speech_loaders(hparams, datasets):
    """Settings of the loaders of datasets, by stage.

    They have the sizes of batches and those of workers. A batch has clips of
    similar lengths.
    """
    loaders = {}
    workers = worker_settings(
        hparams["num_workers"],
        hparams["prefetch_batches"],
        hparams["pin_memory"],
    )
    for stage, dataset in datasets.items():
        training = stage == "train"
        key = "batch_seconds" if training else "valid_batch_seconds"
        loaders[stage] = loader_settings(
            dataset,
            training,
            hparams[key],
            hparams["max_batch_clips"],
            hparams["num_buckets"],
            hparams["seed"],
            **workers,
        )
    return loaders
