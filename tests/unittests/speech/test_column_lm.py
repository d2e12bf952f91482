"""Language models of single positions: causality, and Eq. 19."""

import math

import torch

from speechbrain_gogo.brains.token_lm import LevelMeans
from speechbrain_gogo.lobes.speech.analysis.column_lm import ColumnLM


def test_columns_see_earlier_positions_only():
    torch.manual_seed(0)
    lm = ColumnLM(3, 20, 16, 2, 2, 32)
    tokens = torch.randint(20, (2, 6, 5))  # the last two are left out
    before = lm.losses(tokens)
    assert before.shape == (2, 6, 3)
    changed = tokens.clone()
    changed[0, 3, 1] = (changed[0, 3, 1] + 1) % 20
    changed[..., 3:] = 0
    differ = (lm.losses(changed) - before).abs() > 1e-6
    assert differ[0, 3:, 1].any() and differ[0, 3, 1]
    differ[0, 3:, 1] = False
    assert not differ.any()


def test_perplexity_is_equation_19():
    """By the probabilities of the whole sequence, clip by clip."""
    torch.manual_seed(0)
    lm = ColumnLM(2, 7, 16, 1, 2, 32)
    tokens, lens = torch.randint(7, (2, 5, 2)), torch.tensor([1.0, 0.4])
    out = lm(tokens, lens)
    means = LevelMeans(["1", "2"])
    means.add(out["nll"], out["level"])
    found = means.read()
    total = 0.0
    for level, llama in enumerate(lm.llamas):
        nll = []
        for row, length in zip(tokens[..., level], (5, 2)):
            ids = torch.cat([torch.tensor([7]), row[:length]])[None]
            logits = llama(input_ids=ids).logits[0, :-1, :7]
            p = logits.softmax(-1)[range(length), row[:length]]
            nll.append(-p.log())
        mean = torch.cat(nll).mean()
        total += mean
        perplexity = found[f"perplexity {level + 1}"]
        assert math.isclose(perplexity, mean.exp(), rel_tol=1e-4)
    torch.testing.assert_close(out["loss"], total)
