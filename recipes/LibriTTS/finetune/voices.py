"""Recordings of one voice: their tokens, and the export of the fine-tuned model."""

import logging
from pathlib import Path

from speechbrain.utils.distributed import ddp_barrier, infer_device, run_on_main

from recipes.common.tokens import tokenize_splits
from recipes.common.training.speech_lm import prepare_tokenizer
from speechbrain_gogo.dataio.audio.clips import WHOLE, read_clip
from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.writing import written_audio
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.tokens.corpus import corpus_texts
from speechbrain_gogo.inference.files.manifests import make_manifests
from speechbrain_gogo.inference.loading.export_speech import (
    FOLDERS,
    SPEECH_FILE,
    export_speech,
)
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.loading.speech import load_settings

logger = logging.getLogger(__name__)


def prepare_recordings(hparams, device=None):
    """Manifests, if none are given, and tokens of the recordings.

    Existing ones are used again. ``train_csv`` and ``valid_csv`` of the
    settings are set; a single manifest is an error.
    """
    given = [hparams["train_csv"], hparams["valid_csv"]]
    if given == [None, None]:
        made = Path(hparams["output_folder"]) / "manifests"
        settings = {
            "folder": hparams["data_folder"],
            "out": made,
            "num_valid": hparams["valid_clips"],
            "seed": hparams["seed"],
        }
        if not (made / "valid.csv").is_file():
            run_on_main(_list_recordings, kwargs=settings)
        hparams["train_csv"] = made / "train.csv"
        hparams["valid_csv"] = made / "valid.csv"
    elif None in given:
        raise ValueError(
            "Give both manifests, train_csv and valid_csv, or none: then "
            "valid_clips of data_folder are held out."
        )

    def shards(stage, codec):
        return ManifestShards(
            hparams[f"{stage}_csv"],
            hparams["data_folder"],
            sample_rate=codec.sample_rate,
            **hparams["clips"],
        )

    places = {**hparams, "output_folder": hparams["tokens_folder"]}
    tokenize_splits(places, device or infer_device(), shards)
    ddp_barrier()


def _list_recordings(folder, out, num_valid, seed):
    out.mkdir(parents=True, exist_ok=True)
    report = make_manifests(folder, out, num_valid, seed=seed)
    logger.info("%s: %s", folder, report)


def check_letters(hparams):
    """Refuse texts with letters that the text tokenizer does not know.

    They would all have the same id; the error names them. Marks are not
    refused.
    """
    tokenizer = prepare_tokenizer(hparams)
    unknown = set()
    for text in corpus_texts(hparams["train_tokens"]):
        unknown |= {c for c in "".join(tokenizer.unknown(text)) if c.isalnum()}
    if unknown:
        raise ValueError(
            f"The text tokenizer of '{hparams['start_from']}' does not know "
            f"{', '.join(map(repr, sorted(unknown)[:20]))}. Let the front end of "
            "the language replace them by other letters, or learn the text anew "
            "(new_text, see docs/finetuning.md)."
        )


def choose_voice(rows, key=None, seconds=5):
    """The clip that becomes the default voice, a row of the manifest.

    It is that of an ID or, without one, the clip whose length is nearest to
    ``seconds``.

    Example
    -------
    >>> rows = {
    ...     name: {"duration": seconds, "wav": f"{name}.wav", "wrd": name}
    ...     for name, seconds in (("a", 2.0), ("b", 4.5), ("c", 9.0))
    ... }
    >>> choose_voice(rows)["wav"], choose_voice(rows, "c")["wav"]
    ('b.wav', 'c.wav')
    """
    if key is None:
        key = min(rows, key=lambda k: abs(rows[k]["duration"] - seconds))
    if key not in rows:
        raise ValueError(
            f"voice_clip='{key}' is no ID of valid_csv; it has "
            f"{', '.join(sorted(rows)[:5])} ..."
        )
    return rows[key]


def own_file(row, folder):
    """Audio file of a clip: its own or, of a part of one, a new one in a folder."""
    if row["samples"] == WHOLE:
        return row["wav"]
    with open_audio(row["wav"]) as sound:
        rate = sound.sample_rate
    path = Path(folder) / "voice.wav"
    with written_audio(path, rate) as write:
        write(read_clip(row["wav"], rate, row["samples"]))
    return path


def export_voice(hparams):
    """Write the complete model: codec, trained stage, initial other stage.

    Settings are those of the initial model's ``speech.yaml``; the default voice
    is a validation clip. Gives the folder, for ``GogoSpeech.from_hparams``.
    """
    start = find_source(hparams["start_from"], speech=True)
    stages = [start / name for name in FOLDERS]
    if not stages[1].is_dir():  # a model of a single stage
        stages[1] = None
    stages[hparams["lm"].stage - 1] = hparams["export_folder"]
    rows, _ = read_manifest(hparams["valid_csv"], hparams["data_folder"])
    settings = load_settings(start / SPEECH_FILE)
    row = choose_voice(rows, hparams["voice_clip"], hparams["voice_seconds"])
    settings["voice"] = own_file(row, hparams["output_folder"]), row["wrd"]
    settings["language"] = hparams["language"]
    folder, codec = hparams["model_folder"], find_source(hparams["codec"])
    export_speech(folder, codec, *stages, **settings)
    voice = f"voice{Path(settings['voice'][0]).suffix}"
    for path in Path(folder).glob("*"):  # what describes the initial model
        other = path.stem == "voice" and path.name != voice
        if path.suffix in (".md", ".png") or path.stem == "example" or other:
            path.unlink()
    return Path(folder)
