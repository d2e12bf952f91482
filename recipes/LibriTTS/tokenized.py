"""Manifests as tokens, for the recipes that learn from tokens.

Tokens are made once and kept, all of each group: every number of codebooks and
every recipe reads the same files. They come through the recipe's GogoTokenizer.
"""

import logging
import math
from pathlib import Path

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.utils.distributed import ddp_barrier

from speechbrain_gogo.dataio.manifest_shards import ManifestShards
from speechbrain_gogo.dataio.tokenizing import tokenize_corpus
from speechbrain_gogo.dataio.tokens import TokenDataset
from speechbrain_gogo.inference.text import normalize_english

logger = logging.getLogger(__name__)


def tokenized_dataset(hparams, stage, **settings):
    """A manifest as a dataset of tokens, made first where they are missing.

    A stop costs the shard that was being made. Under torchrun each process
    makes its share.

    Arguments
    ---------
    hparams : dict
        ``tokenizer``, ``<stage>_csv``, ``data_folder``, ``tokens_folder``,
        ``clips``, ``english`` and ``num_workers``.
    stage : str
        "train", "valid" or "test".
    **settings
        Of the TokenDataset; its lengths are numbers of groups by default.

    Returns
    -------
    TokenDataset
        With all tokens of each group.
    """
    codec = hparams["tokenizer"].codec
    source = ManifestShards(
        hparams[f"{stage}_csv"],
        hparams["data_folder"],
        sample_rate=codec.sample_rate,
        **hparams["clips"],
    )
    folder = Path(hparams["tokens_folder"]) / stage
    normalize = normalize_english if hparams["english"] else None
    tokenize_corpus(codec, source, folder, hparams["num_workers"], normalize)
    ddp_barrier()
    by_groups = {
        "max_positions": math.inf,
        "count_positions": lambda text_length, num_groups: num_groups,
    }
    dataset = TokenDataset(folder, codec=codec, **{**by_groups, **settings})
    logger.info("%s: %s", folder, dataset.report)
    return dataset


def loader_settings(dataset, lengths, training, hparams):
    """What the host's loader needs for batches of clips of like lengths.

    Arguments
    ---------
    dataset : torch.utils.data.Dataset
        Clips, such as a TokenDataset.
    lengths : list of int
        Of each clip: groups, or positions of a language model.
    training : bool
        Shuffle, other batches in every epoch; else the short clips first.
    hparams : dict
        ``batch_length`` (padding included), ``batch_clips``,
        ``bucket_length``, ``num_workers`` and ``seed``.

    Returns
    -------
    dict
        Arguments of ``Brain.make_dataloader``.
    """
    step = hparams["bucket_length"]
    sampler = DynamicBatchSampler(
        dataset,
        max_batch_length=hparams["batch_length"],
        max_batch_ex=hparams["batch_clips"],
        bucket_boundaries=list(range(step, max(lengths) + step, step)),
        lengths_list=lengths,
        shuffle=training,
        batch_ordering="random" if training else "ascending",
        seed=hparams["seed"],
    )
    return {
        "batch_sampler": sampler,
        "collate_fn": PaddedBatch,
        "num_workers": hparams["num_workers"],
    }
