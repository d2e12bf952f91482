"""Manifests as tokens, for the recipes that learn from tokens.

Corpora are encoded once with all tokens of each group, so that all recipes and
all numbers of codebooks read the same files. The codec is that of the recipe's
GogoTokenizer. A test set has to be complete.
"""

import logging
import math
import os
from pathlib import Path

from speechbrain.utils.distributed import ddp_barrier

from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.tokens.batches import token_loader_settings
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus

logger = logging.getLogger(__name__)


def tokenized_dataset(hparams, stage, **settings):
    """A manifest as a TokenDataset; missing tokens are computed.

    An interruption loses at most one shard. Under torchrun each process encodes
    a part. Clips of a test set may have any length, and have to be there and
    usable, else there is an error, as for tokens of another codec.

    ``settings`` are those of the TokenDataset; its lengths are numbers of
    groups by default.
    """
    tokenizer, clips = hparams["tokenizer"], hparams["clips"]
    if stage == "test":
        clips = {**clips, "min_duration": 0.0, "max_duration": math.inf}
    source = ManifestShards(
        hparams[f"{stage}_csv"],
        hparams["data_folder"],
        sample_rate=tokenizer.codec.sample_rate,
        **clips,
    )
    if stage == "test":
        check_files(source)
    folder = Path(hparams["tokens_folder"]) / stage
    codec = tokenizer.to(hparams["tokenizing_device"]).codec
    tokenize_corpus(
        codec, source, folder, hparams["num_workers"], hparams["front_end"]
    )
    tokenizer.to("cpu")
    ddp_barrier()
    by_groups = {
        "max_positions": math.inf,
        "count_positions": lambda text_lengths, groups: groups,
    }
    dataset = TokenDataset(folder, codec=codec, **{**by_groups, **settings})
    logger.info("%s: %s", folder, dataset.report)
    if stage == "test":
        check_complete(source, dataset, folder)
    return dataset


def check_files(source):
    """Raise an error if audio files of a manifest are missing."""
    wavs = source.wavs.values()
    missing = [wav for wav in wavs if not os.path.isfile(wav)]
    if missing:
        raise ValueError(
            f"{source.csv_path}: {len(missing)} of {len(wavs)} audio files of "
            f"the test set are missing, the first: {missing[0]}. Is "
            f"data_folder ({source.data_root}) right?"
        )


def check_complete(source, dataset, folder):
    """Raise an error if clips of a test set were skipped."""
    if dataset.report.skipped:
        used = {clip["id"] for clip in dataset}
        lost = [key for key in source.wavs if key not in used]
        first = f", the first: {lost[0]}" if lost else ""
        raise ValueError(
            f"{source.csv_path}: a test set has to be complete, but "
            f"{dataset.report}{first}. Mend the clips or the manifest, delete "
            f"{folder} and run it again."
        )


def loader_settings(lengths, training, hparams, positions=1):
    """Arguments of SpeechBrain's loader for batches of similar lengths.

    Lengths are groups, or positions of a language model, of which a group has
    ``positions``. Settings are ``batch_seconds`` (padding included),
    ``batch_clips``, ``bucket_seconds``, ``num_workers``, ``seed``, and
    ``tokenizer``, whose codec has a rate of groups. Not in training, short
    clips come first.
    """
    codec = hparams["tokenizer"].codec
    return token_loader_settings(
        lengths,
        training,
        positions * groups_in(hparams["batch_seconds"], codec),
        hparams["batch_clips"],
        positions * groups_in(hparams["bucket_seconds"], codec),
        hparams["seed"],
        num_workers=hparams["num_workers"],
    )


def groups_in(seconds, codec):
    """Number of groups of a codec in a duration, at least one.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> groups_in(3.0, SimpleNamespace(group_rate=4.6875))
    14
    """
    return max(1, round(codec.group_rate * seconds))


def frames_per_group(tokenizer, frame_rate):
    """Frames per group, for at least ``frame_rate`` (Hz) frames per second."""
    return math.ceil(frame_rate / tokenizer.codec.group_rate)


def tokenize_splits(hparams, device, make_source):
    """Encode the clips of training and validation.

    ``make_source`` is a function of the stage and the codec that gives shards
    of clips.
    """
    codec = open_codec(
        hparams["codec"],
        run_opts={"device": device},
        trust_source=hparams["trust_codec"],
    )
    for stage in ("train", "valid"):
        report = tokenize_corpus(
            codec,
            make_source(stage, codec),
            f"{hparams['output_folder']}/{stage}",
            num_workers=hparams["num_workers"],
            normalize=hparams["front_end"],
        )
        print(f"{stage}: {report or 'other processes have not finished'}")
