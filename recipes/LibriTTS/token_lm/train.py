#!/usr/bin/env python3
"""Train a language model of a codec's tokens, which continues speech.

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from continuations import Continuations
from speechbrain.utils.distributed import if_main_process
from tqdm import tqdm

from recipes.common.token_task import (
    STAGES,
    figure_value,
    fit_tokens,
    save_results,
    start_tokens,
)
from recipes.common.tokens import loader_settings, tokenized_dataset
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.speech_lm import SpeechLMBrain
from speechbrain_gogo.metrics.speakers.similarity import SpeakerSimilarity
from speechbrain_gogo.metrics.speech_metric import Figure

FIGURES = (
    Figure("bit/token, backbone", "backbone_bits", per="backbone_tokens"),
    Figure("bit/token, all", "bits", per="tokens"),
    Figure("similarity to the prompt", "similarity"),
    Figure("the same of the clip itself", "clip_similarity"),
    Figure("s continued", "seconds"),
)


class TokenLMBrain(SpeechLMBrain):
    """Stage I of GogoSpeech without text, for all tokens or fewer."""

    def compute_forward(self, batch, stage):
        """Losses of a batch of tokens [B, N, K or more]."""
        return predict(self.modules.lm, *batch.to(self.device).tokens)


def predict(lm, tokens, lens):
    """Losses of tokens [B, N, K or more] with lengths [B], without text."""
    text = tokens.new_zeros(len(tokens), 0)
    return lm(text, torch.zeros_like(lens), tokens, lens)


@torch.no_grad()
def test(hparams, dataset):
    """Test the prediction and the continuation of each clip; a row for each.

    Long clips are cut to as many groups as the model has positions for.
    """
    lm, codec = hparams["lm"].eval(), hparams["tokenizer"].codec
    codec.to(lm.llama.device)
    similarity = SpeakerSimilarity(codec.sample_rate)
    longest = (lm.max_positions - 2) // lm.backbone_size
    clips = [{**clip, "tokens": clip["tokens"][:longest]} for clip in dataset]
    speak = Continuations(
        codec, clips, seed=hparams["seed"], **hparams["continue"]
    )
    return [
        {
            "ID": clip["id"],
            **count_bits(lm, clip, codec.backbone_size),
            **compare_voices(similarity, speak, clip, said),
            "seconds": len(said) / codec.group_rate,
        }
        for clip, said in tqdm(speak.spoken(lm), "test", len(clips))
    ]


def count_bits(lm, clip, backbone_size):
    """Bits of the tokens of a clip."""
    tokens = clip["tokens"][None].to(lm.llama.device)  # [1, N, K or more]
    found = predict(lm, tokens, torch.ones(1, device=tokens.device))
    bits, level = found["nll"] / math.log(2), found["level"]
    if len(clip["tokens"]) < clip["num_groups"]:  # speech does not end there
        bits, level = bits[:-1], level[:-1]
    backbone = level < backbone_size
    return {
        "backbone_bits": float(bits[backbone].sum()),
        "backbone_tokens": int(backbone.sum()),
        "bits": float(bits.sum()),
        "tokens": len(bits),
    }


def compare_voices(similarity, speak, clip, said):
    """Cosines of the continuation [N, K] and of the clip with the prompt.

    Longer speech has a better estimate of the voice, so both are cut to the
    same duration.
    """
    prompt = speak.prompt(clip)
    parts = same_length(said, clip["tokens"][len(prompt) :], speak.max_groups)
    prompt, said, rest = (
        voice(speak.codec, part[:, : said.shape[1]], clip["side"])
        for part in (prompt, *parts)
    )
    return {
        "similarity": compare(similarity, said, prompt),
        "clip_similarity": compare(similarity, rest, prompt),
    }


def same_length(said, rest, most):
    """A continuation and the clip's own tokens [N, K], cut to the shorter one.

    For an empty continuation, the clip's own is cut to a fixed number of
    groups.
    """
    length = min(len(said) or most, len(rest))
    return said[:length], rest[:length]


def voice(codec, tokens, side):
    """Audio [T] of tokens [N, K], decoded as the clip is; N may be 0."""
    if not len(tokens):
        return torch.zeros(0)
    return codec.decode_batch(tokens[None], **side)[0][0].cpu()


def compare(similarity, wav, prompt):
    """Cosine of two voices; 0 without speech."""
    return similarity.measure(wav, prompt)["similarity"] if len(wav) else 0.0


def dataio_prepare(hparams):
    """Datasets and loader settings, by stage."""
    lm = hparams["lm"]
    limits = dict.fromkeys(
        STAGES,
        {
            "max_positions": lm.max_positions,
            "count_positions": lm.sequence_length,
        },
    )
    limits["test"] = {}  # all clips, as far as they fit
    datasets, loaders = {}, {}
    for stage in STAGES:
        dataset = tokenized_dataset(hparams, stage, **limits[stage])
        datasets[stage] = dataset
        training = stage == "train"
        positions = 1 if stage == "test" else lm.backbone_size
        loaders[stage] = loader_settings(
            dataset.lengths, training, hparams, positions
        )
    return datasets, loaders


def some_clips(dataset, number):
    """A number of clips, evenly spaced over a dataset."""
    step = max(1, len(dataset) // max(1, number))
    return [dataset[place] for place in range(0, len(dataset), step)][:number]


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start_tokens(__file__, arguments)
    datasets, loaders = dataio_prepare(hparams)
    hparams["test_name"] = Path(hparams["test_csv"]).name
    hparams["draw_samples"] = Continuations(
        hparams["tokenizer"].codec,
        some_clips(datasets["valid"], hparams["num_samples"]),
        seed=hparams["seed"],
        **hparams["continue"],
    )

    brain = fit_tokens(TokenLMBrain, hparams, run_opts, datasets, loaders)
    brain.load_final_weights()
    if if_main_process():
        rows = test(hparams, datasets["test"])
        save_results(rows, FIGURES, hparams)
        stats = {f.label: figure_value(f, rows) for f in FIGURES}
        print(f"{stats}: {hparams['output_folder']}/results.csv")


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
