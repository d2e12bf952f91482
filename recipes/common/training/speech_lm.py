"""Training of a stage of GogoSpeech on tokenised corpora, for all of its recipes."""

import itertools
import logging

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from recipes.common.experiment import fit, log_clips, make_brain
from recipes.common.training.speech_samples import Samples
from speechbrain_gogo.brains.speech_lm import SpeechLMBrain, check_fits
from speechbrain_gogo.dataio.shards.batching import worker_settings
from speechbrain_gogo.dataio.text.tokenizers import (
    WordPieces,
    load_text_tokenizer,
)
from speechbrain_gogo.dataio.tokens.batches import token_loader_settings
from speechbrain_gogo.dataio.tokens.corpus import corpus_texts
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export_speech import export_speech_stage
from speechbrain_gogo.inference.loading.warm_start import (
    check_text_state,
    start_stage,
    start_tokenizer,
)
from speechbrain_gogo.lobes.speech.memory import save_memory

logger = logging.getLogger(__name__)


def prepare_tokenizer(hparams):
    """The text tokenizer of Stage I, None of Stage II.

    It is the one that the YAML names, or that of the stage from which the
    training starts, unless text is new; otherwise it is trained on the corpora.
    """
    check_new_text(hparams)
    if hparams["lm"].stage != 1:
        return None
    tokenizer = None
    if hparams["text_tokenizer"] is not None:
        tokenizer = load_text_tokenizer(hparams["text_tokenizer"])
    if hparams["start_from"] is not None and not hparams["new_text"]:
        tokenizer = start_tokenizer(hparams["start_from"], tokenizer)
    tokenizer = tokenizer or train_tokenizer(hparams)
    text_size = hparams["model"]["text_size"]
    if tokenizer.vocab_size > text_size:
        raise ValueError(
            f"The text tokenizer has {tokenizer.vocab_size} ids, the model has "
            f"room for {text_size}: give --model '{{text_size: ...}}'."
        )
    return tokenizer


def train_tokenizer(hparams):
    """Word pieces of the corpora, trained unless their file exists."""
    if "tokenizer_file" not in hparams:
        raise ValueError(
            "text_tokenizer is null, and this YAML has no settings to train "
            "one: give a folder, a hub id or a pronunciation dictionary."
        )
    number = hparams["tokenizer_clips"]

    def read_texts():  # if they are needed
        texts = corpus_texts(hparams["train_tokens"])
        yield from tqdm(itertools.islice(texts, number), "texts", number)

    settings = {
        "sentences": read_texts(),
        "model_path": hparams["tokenizer_file"],
        "vocab_size": hparams["model"]["text_size"],
    }
    run_on_main(WordPieces.train, kwargs=settings)
    return WordPieces(hparams["tokenizer_file"])


def check_new_text(hparams):
    """Refuse a ``new_text`` that cannot be, before the corpora are read."""
    if not hparams["new_text"]:
        return
    lm, steps = hparams["lm"], hparams["num_steps"]
    if hparams["start_from"] is None:
        raise ValueError(
            "new_text is for a stage that starts from another one: give start_from."
        )
    check_text_state(lm)
    updates = lm.aligner_batches // hparams["grad_accumulation_factor"]
    if steps is not None and steps <= updates:
        raise ValueError(
            f"With new_text the aligner is trained alone for {updates} updates, "
            f"and num_steps is {steps}, so nothing would be learned of speech: "
            "give more num_steps, or fewer aligner_batches by --model "
            "'{stage1: {aligner_batches: ...}}'."
        )


def dataio_prepare(hparams, tokenizer, codec):
    """Datasets and loader settings, by stage."""
    lm = hparams["lm"]
    longest = lm.max_positions

    def count_positions(text_length, num_groups):
        text = () if tokenizer is None else (text_length,)
        return lm.sequence_length(*text, num_groups)

    datasets, loaders = {}, {}
    workers = worker_settings(
        hparams["num_workers"],
        hparams["prefetch_batches"],
        hparams["pin_memory"],
    )
    for stage in ("train", "valid"):
        folders, training = hparams[f"{stage}_tokens"], stage == "train"
        clips = TokenDataset(
            folders,
            longest,
            count_positions,
            tokenizer,
            codec,
            hparams["index_folder"],
        )
        check_fits(lm, codec, clips)
        logger.info("%s: %s", folders, clips.report)
        datasets[stage] = clips
        loaders[stage] = token_loader_settings(
            clips.lengths,
            training,
            hparams["batch_positions"],
            hparams["batch_clips"],
            hparams["bucket_positions"],
            hparams["seed"],
            **workers,
        )
    return datasets, loaders


def train_stage(hparams, run_opts):
    """Train a stage and export its best or averaged weights.

    The YAML has the base speech_lm.yaml.
    """
    codec = GogoCodec.from_hparams(  # samples move it to the training's device
        hparams["codec"],
        run_opts={"device": "cpu"},
        trust_source=hparams["trust_codec"],
    )
    hparams["codec_fingerprint"] = codec.fingerprint
    lm = hparams["lm"]
    tokenizer = prepare_tokenizer(hparams)
    datasets, loaders = dataio_prepare(hparams, tokenizer, codec)
    if hparams["start_from"] is not None:
        new = hparams["new_text"], hparams["new_codec"]
        start_stage(lm, hparams["start_from"], codec, *new)
    elif hparams["new_codec"]:
        raise ValueError(
            "new_codec is for a stage that starts from another one: give "
            "start_from."
        )
    save_memory(
        lm.llama,
        hparams["gradient_checkpointing"],
        hparams["weights"],
        hparams["lora"],
    )
    hparams["draw_samples"] = Samples(
        codec,
        datasets["valid"],
        hparams["num_samples"],
        hparams["seed"],
        hparams["model"]["sampling"],
    )

    brain = make_brain(SpeechLMBrain, hparams, run_opts)
    fit(brain, datasets, loaders)
    log_clips(brain, train=datasets["train"].report)
    brain.load_final_weights()
    settings = {
        "folder": hparams["export_folder"],
        "lm": lm,
        "tokenizer": tokenizer,
        "fingerprint": codec.fingerprint,
    }
    run_on_main(export_speech_stage, kwargs=settings)
    print(f"The language model is in {hparams['export_folder']}")
