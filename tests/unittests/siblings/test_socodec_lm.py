"""The multi-stream language model: its matrix, its passes, its interface."""

import pytest
import torch

from speechbrain_gogo.lobes.socodec.multi_stream_lm import MultiStreamLM
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.tokens.patterns import flatten, unflatten


def make_lm(delay=1, streams=4, **sizes):
    torch.manual_seed(0)
    sizes = {"dim": 32, "num_layers": 2, "num_heads": 2, **sizes}
    return MultiStreamLM(
        12, 9, streams, 6, delay=delay, dropout=0.0, **sizes
    ).eval()


def test_a_gpt_is_made_without_warnings(capfd):
    make_lm()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_patterns_with_any_delay(delay):
    tokens = torch.arange(24).view(2, 4, 3)
    rows = flatten(tokens, "delay", pad=-1, delay=delay)
    assert rows.shape == (2, 4 + 2 * delay, 3)
    assert rows[0, 1 + delay, 1] == tokens[0, 1, 1]
    assert torch.equal(unflatten(rows, "delay", 3, delay), tokens)


def test_rows_have_bos_and_eos():
    lm = make_lm(streams=3)
    tokens = torch.arange(12).view(2, 2, 3) % 9
    rows, counted = lm.speech.arrange(tokens, torch.tensor([2, 1]), ends=True)
    b, e = lm.speech.bos, lm.speech.eos
    assert rows[0].tolist() == [
        [0, b, b],
        [3, 1, b],
        [e, 4, 2],
        [e, e, 5],
        [e] * 3,
    ]
    assert rows[1].tolist() == [
        [6, b, b],
        [e, 7, b],
        [e, e, 8],
        [e] * 3,
        [e] * 3,
    ]
    assert counted.sum((1, 2)).tolist() == [9, 6]  # tokens and an EOS each


def test_rows_are_causal():
    """Eq. 5: stream j of step t sees stream i up to t - 1 + d (j - i)."""
    lm = make_lm()
    tokens = torch.randint(9, (1, 6, 4))
    given = torch.randn(1, 6), torch.randint(12, (1, 3)), torch.ones(1)

    def losses(tokens):
        out = lm(*given, tokens, torch.ones(1))
        return {
            stream: out["nll"][out["level"] == stream] for stream in range(4)
        }

    before = losses(tokens)
    tokens = tokens.clone()
    tokens[0, 3, 2] = (tokens[0, 3, 2] + 1) % 9  # row 5
    after = losses(tokens)
    for stream in range(4):
        rows = torch.arange(7) + stream  # of its losses
        same = before[stream] == after[stream]
        assert same[rows < 5].all() and not same[rows > 5].any()


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_passes(delay):
    """N + (m - 1) d passes; without delay the end is one more."""
    lm = make_lm(delay)
    # It ends soon, but not at once.
    lm.speech.heads[0].bias.data[lm.speech.eos] = 1.0
    generator = lm.generate(
        torch.randn(1, 6),
        torch.randint(12, (1, 5)),
        torch.ones(1),
        Sampler([3]),
        torch.tensor([200]),
    )
    steps = list(generator)
    assert 1 < len(steps) < 200 and steps[-1][2][0]  # finished
    assert generator.reader.passes == len(steps) + max(1, 3 * delay)
    tokens = torch.cat([tokens for tokens, _, _ in steps])
    assert tokens.max() < lm.vocab_size


def test_cached_generation_equals_forward_passes():
    lm = make_lm()
    reference = torch.randn(2, 6)
    text, lens = torch.randint(12, (2, 7)), torch.tensor([1.0, 3 / 7])
    settings = {"temperature": 0, "repetition_penalty": 1.0}
    lm.speech.heads[0].bias.data[lm.speech.eos] = -100.0
    both = lm.generate(
        reference,
        text,
        lens,
        Sampler([0, 1], **settings),
        torch.tensor([9, 9]),
        loop_groups=1000,
    )
    found = torch.stack([tokens for tokens, _, _ in both], 1)
    for row, size in enumerate((7, 3)):
        steps = found[row : row + 1]
        out, _ = lm.speech.arrange(steps, torch.tensor([9]), ends=False)
        prefix, _ = lm.prefix(
            reference[row : row + 1], text[row : row + 1, :size], torch.ones(1)
        )
        hidden = lm.gpt(
            inputs_embeds=torch.cat([prefix, lm.speech.inputs(out)], 1)
        ).last_hidden_state[:, size + 1 :]
        for stream, head in enumerate(lm.speech.heads):
            logits = head(hidden)[0, stream : stream + 9, : lm.vocab_size]
            assert torch.equal(logits.argmax(-1), found[row, :, stream])


def test_overfits_a_sentence():
    lm = make_lm()
    reference, text = torch.randn(1, 6), torch.randint(12, (1, 4))
    tokens = torch.randint(9, (1, 7, 4))
    optimizer = torch.optim.AdamW(lm.parameters(), lr=0.01)
    for _ in range(60):
        loss = lm(reference, text, torch.ones(1), tokens, torch.ones(1))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    generator = lm.generate(
        reference,
        text,
        torch.ones(1),
        Sampler([0], temperature=0, repetition_penalty=1.0),
        torch.tensor([50]),
    )
    steps = list(generator)
    assert torch.equal(torch.stack([t for t, _, _ in steps], 1), tokens)
    assert steps[-1][2][0]
