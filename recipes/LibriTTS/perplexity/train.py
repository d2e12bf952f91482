#!/usr/bin/env python3
"""Perplexity of a codec's tokens, position by position: a row of Table 2.

    python train.py hparams/train.yaml --source CODEC --system group-wise \
        --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from speechbrain.utils.distributed import if_main_process
from table2 import compare, save_row
from torch.utils.data import DataLoader
from tqdm import tqdm

from recipes.common.token_task import fit_tokens, start_tokens, token_datasets
from speechbrain_gogo.brains.process_group import leave_process_group
from speechbrain_gogo.brains.speech_lm import SpeechLMBrain
from speechbrain_gogo.lobes.nn.lengths import length_mask


class PerplexityBrain(SpeechLMBrain):
    """Trains a :class:`~speechbrain_gogo.lobes.speech.analysis.column_lm.ColumnLM`."""

    def compute_forward(self, batch, stage):
        """Losses of a batch of tokens [B, N, K]."""
        return self.modules.lm(*batch.to(self.device).tokens)


def count_codes(dataset, num_tokens, codebook_size):
    """Number of uses of each code at each position, int64 [K, C]."""
    shape = num_tokens, codebook_size
    first = codebook_size * torch.arange(num_tokens)
    counts = torch.zeros(num_tokens * codebook_size, dtype=torch.long)
    for clip in tqdm(dataset, "counting codes"):
        place = clip["tokens"][:, :num_tokens] + first  # [N, K]
        counts += place.flatten().bincount(minlength=len(counts))
    return counts.view(shape)


@torch.no_grad()
def measure(lm, batches, counts):
    """Losses of every test clip, with context and without, a dict each.

    It has ID, groups, and sums over the groups in nats: "nll 1" to "nll K" and
    "unigram 1" to "unigram K". Without context, the best prediction of a token
    is its frequency (:func:`count_codes`); a code that never occurs in training
    counts as used once.
    """
    lm.eval()
    counts = (counts + 1).double()
    unigram = -(counts / counts.sum(1, keepdim=True)).log()  # [K, C]
    levels = torch.arange(lm.num_tokens)
    for batch in batches:
        tokens, lens = batch.tokens
        tokens = tokens[..., : lm.num_tokens]  # [B, N, K]
        real = length_mask(lens, tokens.shape[1])[..., None]
        nll = lm.losses(tokens.to(lm.llamas[0].device)).double().cpu()
        sums = {"nll": nll, "unigram": unigram[levels, tokens]}
        sums = {k: (real * v).sum(1).tolist() for k, v in sums.items()}
        for row, name in enumerate(batch.id):
            found = {"ID": name, "groups": int(real[row].sum())}
            for kind, values in sums.items():
                for level, value in enumerate(values[row], 1):
                    found[f"{kind} {level}"] = value
            yield found


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start_tokens(__file__, arguments)
    datasets, loaders = token_datasets(hparams)
    hparams["draw_samples"] = lambda lm, folder: None  # nothing to hear

    brain = fit_tokens(PerplexityBrain, hparams, run_opts, datasets, loaders)
    brain.load_final_weights()
    if if_main_process():
        lm = hparams["lm"]
        sizes = lm.num_tokens, lm.codebook_size
        counts = count_codes(datasets["train"], *sizes)
        batches = tqdm(DataLoader(datasets["test"], **loaders["test"]), "test")
        save_row(list(measure(lm, batches, counts)), hparams)
        print(compare(hparams))


if __name__ == "__main__":
    main(sys.argv[1:])
    leave_process_group()
