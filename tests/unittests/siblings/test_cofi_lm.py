"""The language models of CoFi-Speech: conditioning, passes, generation."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from speechbrain_gogo.lobes.cofi.chain_of_scales import ChainOfScales
from speechbrain_gogo.lobes.cofi.generation import ScaleGenerator
from speechbrain_gogo.lobes.cofi.stack_of_scales import StackOfScales

TEXT, CODES = 12, 9
STEPS, STREAMS = [1, 3, 6], [1, 1, 4]
KINDS = [ChainOfScales, StackOfScales]


def make_lm(kind, steps=STEPS, streams=STREAMS, **sizes):
    torch.manual_seed(0)
    sizes = {"dim": 16, "num_layers": 2, "num_heads": 2, **sizes}
    lm = kind(TEXT, CODES, steps, streams, 6, dropout=0.0, **sizes)
    for parameter in lm.parameters():  # attention that matters
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    return lm.eval()


def make_batch(groups=(4, 2), columns=28):
    generator = torch.Generator().manual_seed(1)
    batch, most = len(groups), max(groups)
    text = torch.randint(TEXT, (batch, 5), generator=generator)
    tokens = torch.randint(CODES, (batch, most, columns), generator=generator)
    reference = torch.randn(batch, 6, generator=generator)
    text_lens = torch.tensor([1.0, 0.6])[:batch]
    return reference, text, text_lens, tokens, torch.tensor(groups) / most


def embedder(lm, number):
    """Gives the vector of a place and its ids [S]."""
    rows = lm.scales[number]

    def vector(place, ids):
        embedded = [table.weight[i] for table, i in zip(rows.streams, ids)]
        return sum(embedded) + rows.place.weight[place]

    return vector


def delayed(steps, bos, eos):
    """Rows of a list of steps, one stream behind the other."""
    size = len(steps[0])
    return [
        [
            bos
            if row < stream
            else (
                steps[row - stream][stream]
                if row - stream < len(steps)
                else eos
            )
            for stream in range(size)
        ]
        for row in range(len(steps) + size - 1)
    ]


def by_hand(lm, reference, text, tokens):
    """Losses of one utterance, scale by scale, from the equations.

    Rows are embedded one at a time, and each GPT-2 reads its whole input at
    once, without any padding.
    """
    bos, eos = CODES, CODES + 1
    prefix = [lm.prefix.reference(reference)]
    for place, word in enumerate(text):
        table = lm.prefix.text.weight[word] + lm.prefix.place.weight[place]
        prefix.append(table)
    chained, states, losses = list(prefix), None, []
    for number, (level, scale) in enumerate(zip(lm.levels, lm.scales)):
        own = tokens[:, level.columns].reshape(-1, level.streams).tolist()
        rows = delayed(own, bos, eos)
        vector = embedder(lm, number)
        inputs = [vector(0, [bos] * level.streams)]
        inputs += [vector(place + 1, row) for place, row in enumerate(rows)]
        if isinstance(lm, ChainOfScales):
            begin = len(chained)
            chained += inputs
            hidden = lm.gpt(inputs_embeds=torch.stack(chained)[None])
        else:
            before = prefix
            if number:
                bridge, ratio = lm.bridges[number - 1], lm.ratios[number - 1]
                moved = [bridge.project(state) for state in states]
                before = [
                    x + place for x, place in zip(moved, bridge.place.weight)
                ]
                inputs = [
                    x + moved[min(place // ratio, len(moved) - 1)]
                    for place, x in enumerate(inputs)
                ]
            begin = len(before)
            whole = torch.stack([*before, *inputs])[None]
            hidden = lm.gpts[number](inputs_embeds=whole)
        hidden = hidden.last_hidden_state[0, begin:]
        lag = level.streams - 1
        states = [hidden[n + lag + 1] for n in range(len(own))]
        if number == 0:
            own = [*own, [eos] * level.streams]
        for stream, head in enumerate(scale.heads):
            nll = [
                F.cross_entropy(
                    head(hidden[n + stream]), torch.tensor(ids[stream])
                )
                for n, ids in enumerate(own)
            ]
            losses.append(torch.stack(nll))
    return losses


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("steps", "streams"), [(STEPS, STREAMS), ([1, 2], [2, 3]), ([1], [4])]
)
def test_losses_by_hand(kind, steps, streams):
    """Of padded utterances: conditioning, delay, ends, and what counts."""
    lm = make_lm(kind, steps, streams)
    batch = make_batch(columns=lm.levels.num_columns)
    out = lm(*batch)
    reference, text, text_lens, tokens, lens = batch
    parts = []
    for row, (words, groups) in enumerate([(5, 4), (3, 2)]):
        given = reference[row], text[row, :words], tokens[row, :groups]
        parts.append(by_hand(lm, *given))
    wanted = [torch.cat(pair) for pair in zip(*parts)]
    for number, nll in enumerate(wanted):
        found = out["nll"][out["level"] == number]
        torch.testing.assert_close(found, nll, atol=1e-5, rtol=1e-4)
    means, first = [], 0
    for count in streams:
        own = wanted[first : first + count]
        means.append(sum(nll.mean() for nll in own) / count)
        first += count
    torch.testing.assert_close(out["loss"], sum(means) / len(means))


def generate(lm, batch, rows, prompts, most, **sampling):
    """Run a generator for rows of a batch; tokens of each, and passes."""
    reference, text, text_lens, tokens, _ = batch
    longest = max(prompts[row] for row in rows)
    words = (text_lens * 5).round().long()
    width = int(max(words[row] for row in rows))
    generator = ScaleGenerator(
        lm,
        reference[rows],
        (text[rows, :width], words[rows] / width),
        (
            tokens[rows, :longest],
            torch.tensor([prompts[row] for row in rows]) / max(longest, 1),
        ),
        seeds=[50 + row for row in rows],
        max_groups=torch.tensor([most[row] for row in rows]),
        loop_groups=1000,
        **sampling,
    )
    found = list(generator)
    groups, active, finished = (torch.stack(part) for part in zip(*found))
    said = [groups[active[:, row], row] for row in range(len(rows))]
    return said, finished[-1], generator.passes


def logits_of(lm, reference, text, tokens):
    """What each head gives in one pass over an utterance."""
    found, one = [], torch.ones(1)
    hooks = [
        head.register_forward_hook(lambda *io: found.append(io[2]))
        for scale in lm.scales
        for head in scale.heads
    ]
    lm(reference[None], text[None], one, tokens[None], one)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("steps", "streams"), [(STEPS, STREAMS), ([1, 2], [2, 3])]
)
def test_cached_generation_equals_forward_passes(kind, steps, streams):
    """Cached, padded and after prompts, as in one uncached pass over all."""
    lm = make_lm(kind, steps, streams)
    lm.scales[0].heads[0].bias.data[CODES + 1] = -100.0  # no end
    batch, prompts = make_batch(columns=lm.levels.num_columns), [3, 1]
    settings = {"temperature": 0, "repetition_penalty": 1.0}
    found, _, _ = generate(lm, batch, [0, 1], prompts, [3, 2], **settings)
    assert [len(each) for each in found] == [3, 2]
    reference, text, _, tokens, _ = batch
    for row, words in enumerate((5, 3)):
        whole = torch.cat([tokens[row, : prompts[row]], found[row]])
        given = reference[row], text[row, :words]
        heads = iter(logits_of(lm, *given, whole))
        for level in lm.levels:
            steps, first = level.unpack(whole), prompts[row] * level.steps
            for stream in range(level.streams):
                likely = next(heads)[first : len(steps), :CODES].argmax(-1)
                assert torch.equal(likely, steps[first:, stream])


@pytest.mark.parametrize("end", [-100.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_batch_equals_single(kind, end):
    """Without end tokens, and with sampled ones."""
    lm = make_lm(kind)
    lm.scales[0].heads[0].bias.data[CODES + 1] = end
    batch, prompts, most = make_batch(), [3, 1], [9, 4]
    settings = {"temperature": 1.0, "top_k": 5, "repetition_penalty": 2.0}
    together, ended, _ = generate(lm, batch, [0, 1], prompts, most, **settings)
    for row in (0, 1):
        alone, finished, _ = generate(
            lm, batch, [row], prompts, most, **settings
        )
        assert torch.equal(alone[0], together[row])
        assert finished[0] == ended[row]
    lengths = [len(each) for each in together]
    assert (
        lengths == most if end < 0 else not any(map(int.__gt__, lengths, most))
    )


@pytest.mark.parametrize("prompt", [0, 2])
@pytest.mark.parametrize(
    ("kind", "steps", "streams", "more"),
    [
        (ChainOfScales, STEPS, STREAMS, 1),
        (StackOfScales, STEPS, STREAMS, 2),
        (ChainOfScales, [1, 6], [1, 4], 1),
        (StackOfScales, [1, 6], [1, 4], 1),
        (ChainOfScales, [1], [4], 0),
        (StackOfScales, [1], [1], 1),
    ],
)
def test_passes(kind, steps, streams, more, prompt):
    """sum_i (N p_i + (S_i - 1) d), and what reads the end or the last step."""
    lm, rows = make_lm(kind, steps, streams), itertools.count()

    def end_after_five(head, given, logits):
        logits[:, CODES + 1] = 1e9 if next(rows) == 5 else -1e9

    lm.scales[0].heads[0].register_forward_hook(end_after_five)
    batch = make_batch((4,), lm.levels.num_columns)
    found, finished, passes = generate(lm, batch, [0], [prompt], [30])
    assert len(found[0]) == 5 and finished[0]
    sizes = zip(steps, streams)
    assert passes == more + sum(5 * p + s - 1 for p, s in sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_overfitted_utterance_is_generated(kind):
    lm = make_lm(kind, dim=32).train()
    reference, text, _, tokens, _ = make_batch((3,))
    given, one = (reference, text, torch.ones(1)), torch.ones(1)
    optimizer = torch.optim.AdamW(lm.parameters(), lr=0.01)
    for _ in range(80):
        loss = lm(*given, tokens, one)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    settings = {"temperature": 0, "repetition_penalty": 1.0}
    batch = reference, text, one, tokens, one
    for prompt in (0, 1):
        found, finished, _ = generate(
            lm.eval(), batch, [0], [prompt], [9], **settings
        )
        assert torch.equal(found[0], tokens[0, prompt:]) and finished[0]


def test_too_long_clips_are_refused():
    lm = make_lm(StackOfScales, group_positions=3)
    lm(*make_batch((3, 2)))
    with pytest.raises(ValueError, match="takes 5 positions, .* has 4: leave"):
        lm(*make_batch((4, 2)))


def test_scales_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="a multiple"):
        make_lm(ChainOfScales, [1, 2, 3], [1, 1, 1])
