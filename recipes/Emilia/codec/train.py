#!/usr/bin/env python3
"""Train the Gogo codec on the tar shards of Emilia, as in the paper.

    python train.py hparams/train.yaml --data_folder /path/to/Emilia \
        --valid_shards /path/to/Emilia/EN/EN-B000000.tar

The experiment is that of recipes/LibriTTS/codec; only the data differs. The
README beside this file tells more.
"""

import itertools
import sys
from collections import Counter

import speechbrain as sb
from ablation import parse_arguments
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import run_on_main

from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.shortcut import start_shortcuts
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.batching import worker_settings
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.loader import ShardLoader
from speechbrain_gogo.dataio.shards.tars import find_splits
from speechbrain_gogo.dataio.text.tokenizers import train_tokenizer
from speechbrain_gogo.inference.loading.export import export_run


class EmiliaBrain(CodecBrain):
    """The same training; what it skips, the loader of the shards counts."""

    def skipped_clips(self):
        """Clips skipped so far, by reason, on all ranks."""
        return Counter(self.hparams.train_loader.total_report().skipped)


def prepare_tokenizer(dataset, hparams):
    """The text tokenizer, trained on the first clips if there is none."""
    words = (
        clip["wrd"]
        for shard in dataset.shards
        for clip in dataset.clips(shard, ClipReport())
    )
    settings = {
        "sentences": itertools.islice(words, hparams["tokenizer_clips"]),
        "model_path": hparams["tokenizer_file"],
        "vocab_size": hparams["model"]["text_vocab"],
    }
    run_on_main(train_tokenizer, kwargs=settings)
    return train_tokenizer(**settings)


def dataio_prepare(hparams):
    """Loaders of training and validation batches, and of clips to start from.

    The latter are the same on every rank: the first of the training shards,
    and the validation clips.
    """
    settings = {
        **hparams["clips"],
        "sample_rate": hparams["model"]["sample_rate"],
    }
    shards = find_splits(hparams["train_shards"], hparams["valid_shards"])
    train = EmiliaShards(shards["train"], **settings)
    start = EmiliaShards(shards["train"], **settings, training=False)
    valid = EmiliaShards(
        shards["valid"], **settings, training=False, split_batches=True
    )
    every = EmiliaShards(shards["valid"], **settings, training=False)
    train.tokenizer = valid.tokenizer = prepare_tokenizer(train, hparams)
    num_workers = hparams["num_workers"]
    ready = hparams["prefetch_batches"], hparams["pin_memory"]
    return {
        "train": ShardLoader(
            train,
            hparams["epoch_batches"],
            hparams["resume_data"],
            **worker_settings(num_workers, *ready),
        ),
        "start": ShardLoader(start, hparams["shortcut_clips"]),
        "start valid": ShardLoader(every, hparams["valid_batches"]),
        "valid": ShardLoader(
            valid,
            hparams["valid_batches"],
            **worker_settings(min(1, num_workers), *ready),
        ),
    }


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
    hparams_file, run_opts, overrides = parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file) as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    sb.create_experiment_directory(
        experiment_directory=hparams["output_folder"],
        hyperparams_to_save=hparams_file,
        overrides=overrides,
    )
    loaders = dataio_prepare(hparams)
    hparams["sample_clips"] = list(
        sample_clips(loaders["valid"], hparams["num_samples"])
    )
    hparams["train_loader"] = loaders["train"]
    hparams["codec"] = hparams["model"]["codec"]
    # The host registers its own loaders; the name makes it resume with them.
    hparams["checkpointer"].add_recoverable(
        "dataloader-TRAIN", loaders["train"]
    )

    brain = EmiliaBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    if hparams["shortcut_clips"] and not brain.checkpointer.list_checkpoints():
        clips = sample_clips(loaders["start"], hparams["shortcut_clips"])
        valid_clips = sample_clips(loaders["start valid"], None)
        start_shortcuts(hparams, run_opts, brain.device, clips, valid_clips)
    brain.fit(hparams["epoch_counter"], loaders["train"], loaders["valid"])

    report = loaders["train"].total_report()
    hparams["train_logger"].log_stats({"training data": str(report)})
    run_on_main(export_run, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
