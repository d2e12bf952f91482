#!/usr/bin/env python3
"""Train the Gogo codec on the tar shards of Emilia, as in the paper.

    python train.py hparams/train.yaml --data_folder /path/to/Emilia \
        --valid_shards /path/to/Emilia/EN/EN-B000000.tar

The experiment is that of recipes/LibriTTS/codec; only the data differs. See
the README in this folder.
"""

import itertools
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from recipes.common.experiment import make_brain, start
from recipes.common.shards import ShardMixin, emilia_shards, shard_loaders
from recipes.common.training.codec import initialize_codec, prepare_tokenizer
from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.loader import ShardLoader
from speechbrain_gogo.inference.loading.export import export_run


class EmiliaBrain(ShardMixin, CodecBrain):
    """The codec Brain on loaders of shards."""


def read_texts(dataset, number):
    """The texts of a number of clips, read if they are needed."""
    words = (
        clip["wrd"]
        for shard in dataset.shards
        for clip in dataset.clips(shard, ClipReport())
    )
    yield from tqdm(itertools.islice(words, number), "texts", number)


def dataio_prepare(hparams):
    """Loaders of training and validation batches, and of clips for initialization."""
    shards = emilia_shards(hparams, hparams["model"]["sample_rate"], True)
    train, valid = shards["train"], shards["valid"]
    texts = read_texts(train, hparams["tokenizer_clips"])
    train.tokenizer = valid.tokenizer = prepare_tokenizer(texts, hparams)
    loaders = shard_loaders(hparams, train, valid)
    loaders["start"] = ShardLoader(shards["start"], hparams["start_clips"])
    return loaders


def sample_clips(loader, number):
    """The first clips of a loader, unpadded: {"id", "sig" [T]}."""
    clips = (
        {"id": name, "sig": wav[: round(float(length) * len(wav))]}
        for batch in loader
        for name, wav, length in zip(batch.id, *batch.sig)
    )
    return itertools.islice(clips, number)


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments)
    loaders = dataio_prepare(hparams)
    hparams["sample_clips"] = list(
        sample_clips(loaders["valid"], hparams["num_samples"])
    )
    hparams["codec"] = hparams["model"]["codec"]

    brain = make_brain(EmiliaBrain, hparams, run_opts)
    clips = sample_clips(loaders["start"], hparams["start_clips"])
    initialize_codec(brain, hparams, clips)
    brain.fit_shards(loaders)
    run_on_main(export_run, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
