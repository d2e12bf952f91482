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


def speech_datasets(hparams, sample_rate, tokenizer=None):
    """Datasets of the manifests of "train" and "valid".

    Arguments
    ---------
    hparams : dict
        Settings, with the settings of
        ``recipes/common/hparams/data/manifests.yaml``, the sizes of batches and the
        settings of workers.
    sample_rate : int
        Sample rate of the waveforms, in Hz.
    tokenizer : sentencepiece.SentencePieceProcessor
        Adds text tokens.

    Returns
    -------
    tuple of dict
        By stage: DynamicItemDatasets, settings of their loaders, and
        ClipReports of the rows that were skipped.

    Raises
    ------
    ValueError
        If no clip of a stage can be used.
    """
    datasets, loaders, reports = {}, {}, {}
    workers = worker_settings(
        hparams["num_workers"],
        hparams["prefetch_batches"],
        hparams["pin_memory"],
    )
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
