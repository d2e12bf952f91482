"""New rows of a pretrained Llama's vocabulary."""

import math

import pytest
import torch

from speechbrain_gogo.lobes.speech.llama import (
    extended_llama,
    speech_llama,
)


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_have_the_distribution_of_old_ones(tmp_path, tied):
    """Codes can be distinguished, unlike with transformers' rows."""
    torch.manual_seed(0)
    old = speech_llama(400, 32, 1, 2, 64)
    if not tied:
        old.config.tie_word_embeddings = False
        old.lm_head.weight = torch.nn.Parameter(torch.randn(400, 32))
    with torch.no_grad():
        old.model.embed_tokens.weight.mul_(torch.linspace(0.1, 2, 32)).add_(0.1)
    old.save_pretrained(tmp_path)
    llama = extended_llama(tmp_path, num_new=1000)
    for table in (llama.get_input_embeddings().weight, llama.lm_head.weight):
        text, codes = table[:400], table[400:]
        assert codes.shape == (1000, 32)
        ratio = codes.std(0) / text.std(0)
        assert ratio.min() > 0.85 and ratio.max() < 1.15
        offset = (codes.mean(0) - text.mean(0)) / text.std(0)
        assert offset.abs().max() < 0.2
    assert tied == (llama.lm_head.weight is llama.get_input_embeddings().weight)
    again = extended_llama(tmp_path, num_new=1000)
    assert torch.equal(again.lm_head.weight, llama.lm_head.weight)
    other = extended_llama(tmp_path, num_new=1000, seed=1)
    assert not torch.equal(other.lm_head.weight, llama.lm_head.weight)

    with torch.no_grad():
        logits = llama(torch.tensor([[3, 7, 500]])).logits[0, -1, 400:]
        old.resize_token_embeddings(1400)  # as transformers would
        plain = old(torch.tensor([[3, 7, 500]])).logits[0, -1, 400:]
    assert logits.std() > 100 * plain.std()


def test_spread_rows_learn_faster(tmp_path, monkeypatch, request):
    """Than transformers' rows, if each code determines the next."""
    monkeypatch.syspath_prepend(request.config.rootpath / "bench" / "quality")
    import new_rows

    torch.manual_seed(0)
    llama = speech_llama(new_rows.LETTERS, 64, 2, 4, 128)
    losses = {
        name: new_rows.chain(model, steps=80, num_codes=200)
        for name, model in new_rows.extend_twice(llama, 200).items()
    }
    plain, spread = (list(each.values()) for each in losses.values())
    assert plain[0] == pytest.approx(math.log(200), rel=0.01)  # blind
    assert spread[-1] < 0.75 * plain[-1]
