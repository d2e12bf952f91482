"""Training of the language models of SoCodec and CoFi-Speech, for all corpora.

Tokens and embeddings are those of a pretrained codec.
"""

import shutil
from pathlib import Path

import torch
from speechbrain.utils.distributed import run_on_main

from recipes.common.datasets import manifest_datasets, speech_loaders
from recipes.common.experiment import fit, log_clips, make_brain
from recipes.common.training.codec_lm_samples import CodecLMSamples
from speechbrain_gogo.brains.multi_stream_lm import MultiStreamLMBrain
from speechbrain_gogo.dataio.manifests.dataset import usable_clips
from speechbrain_gogo.dataio.text.front_ends import front_end
from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.loading.speech_lm import (
    check_lm_fits,
    export_speech_lm,
)


def dataio_prepare(hparams):
    """Datasets, loader settings, reports by stage, and the text tokenizer.

    Clips whose text has more tokens than the model has positions are skipped.
    """
    reader = front_end(hparams["language"])
    sample_rate = hparams["codec"].sample_rate
    datasets, reports = manifest_datasets(hparams, sample_rate)
    path = Path(hparams["tokenizer_file"])
    rows = datasets["train"].data.values()
    train = {
        "sentences": [reader.normalize(row["wrd"]) for row in rows],
        "model_path": path,
        "vocab_size": hparams["model"]["text_size"],
    }
    run_on_main(WordPieces.train, kwargs=train)
    tokenizer = WordPieces(path)
    longest = hparams["model"]["lm"].text_positions

    def read_text(words):
        ids = tokenizer.encode(reader.normalize(words))
        return torch.tensor(ids or [0])

    for stage, dataset in datasets.items():
        for key, row in dataset.data.items():
            if len(read_text(row["wrd"])) <= longest:
                continue
            dataset.data_ids.remove(key)
            reports[stage]["used"] -= 1
            reports[stage][f"text of more than {longest} tokens"] += 1
        if not len(dataset):
            raise ValueError(f"No {stage} clip is left: {reports[stage]}.")
        dataset.add_dynamic_item(read_text, takes="wrd", provides="text")
        dataset.set_output_keys(["id", "sig", "text"])
    loaders = speech_loaders(hparams, datasets)
    return datasets, loaders, reports, tokenizer


def train_codec_lm(hparams, run_opts):
    """Train a language model for the tokens of a codec, and export both."""
    source = hparams["codec_source"]
    device = {"device": (run_opts or {}).get("device", "cpu")}
    codec = hparams["codec"] = open_codec(source, run_opts=device)
    check_lm_fits(hparams["model"]["lm"], codec)
    datasets, loaders, reports, tokenizer = dataio_prepare(hparams)
    hparams["lm"] = hparams["model"]["lm"]
    hparams["draw_samples"] = CodecLMSamples(
        codec,
        usable_clips(datasets["valid"], hparams["num_samples"]),
        hparams["seed"],
        hparams["speech"]["sampling"],
    )
    brain = make_brain(MultiStreamLMBrain, hparams, run_opts)
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    run_on_main(export, args=[hparams, source, codec, tokenizer])
    print(f"The model that speaks is in {hparams['export_folder']}")


def export(hparams, source, codec, tokenizer):
    """Write codec and language model into one folder.

    The codec's source is a folder, a hub id or a bundled name of this package.
    """
    folder = Path(hparams["export_folder"])
    shutil.copytree(find_source(source), folder, dirs_exist_ok=True)
    settings = {"language": hparams["language"], **hparams["speech"]}
    export_speech_lm(folder, hparams["lm"], tokenizer, codec, **settings)
