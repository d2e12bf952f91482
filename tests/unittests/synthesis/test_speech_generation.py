"""Cached generation against plain forward passes: numbers of passes, limits, loops."""

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from transformers import RepetitionPenaltyLogitsProcessor

from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

TEXT, CODES = 30, 12


@pytest.fixture
def stage1():
    torch.manual_seed(1)
    llama = speech_llama(44, 16, 2, 4, 32, num_key_value_heads=2)
    return BackboneLM(llama, TEXT, CODES).eval()


@pytest.fixture
def stage2():
    torch.manual_seed(1)
    llama = speech_llama(14, 16, 2, 4, 32, num_key_value_heads=2)
    return DetailLM(llama, codebook_size=CODES, max_positions=301).eval()


@pytest.fixture
def inputs():
    """Text, lengths, prompt, lengths of three utterances."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(TEXT, (3, 8), generator=generator)
    prompt = torch.randint(CODES, (3, 4, 10), generator=generator)
    return (
        text,
        torch.tensor([8, 3, 0]) / 8,
        prompt,
        torch.tensor([2, 4, 0]) / 4,
    )


def greedy(batch, **settings):
    return Sampler([0] * batch, temperature=0, **settings)


def likeliest(lm, ids, rows, penalty=1.2, guidance=0.0):
    """The next row, all of the sequence read anew."""
    logits = lm.llama(torch.tensor([ids])).logits[:, -1, lm.output_slice][
        :, :rows
    ]
    if guidance:  # its letters left out
        mute = [i for i in ids if i >= lm.offset]
        untold = lm.llama(torch.tensor([mute])).logits[:, -1, lm.output_slice][
            :, :rows
        ]
        gained = logits.softmax(1).log() - untold.softmax(1).log()
        logits = logits + guidance * gained
    said = [i - lm.offset for i in ids if 0 <= i - lm.offset < rows]
    if said:
        processor = RepetitionPenaltyLogitsProcessor(penalty)
        logits = processor(torch.tensor([said]), logits)
    return int(logits.argmax())


@torch.no_grad()
def plain_backbone(lm, ids, groups, guidance=0.0):
    """Greedy decoding without a cache; groups, and whether it ended."""
    spoken = []
    for _ in range(groups):
        group = []
        for level in range(3):
            rows = CODES + (level == 0)
            token = likeliest(lm, ids, rows, guidance=guidance)
            if token == CODES:
                return spoken, True
            ids = [*ids, lm.offset + token]
            group.append(token)
        spoken.append(group)
    return spoken, False


@pytest.mark.parametrize("guidance", [0.0, 1.5])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_stage_1_equals_greedy_decoding(stage1, inputs, row, guidance):
    text, text_lens, prompt, lens = inputs
    count = int(text_lens[row] * 8), int(lens[row] * 4)
    ids = text[row, : count[0]].tolist() + [stage1.start_id]
    ids += (prompt[row, : count[1], :3] + TEXT).flatten().tolist()
    expected, ended = plain_backbone(stage1, ids, 20, guidance)
    # In a batch with the others, left-padded.
    sampler = greedy(3, text_guidance=guidance)
    items = list(
        generate_backbone(stage1, *inputs, sampler, 20, loop_groups=99)
    )
    groups = [group[row].tolist() for group, _ in items]
    spoken = [group for group in groups if CODES not in group]
    assert spoken == expected
    assert bool(items[-1][1][row]) == ended


def test_prompts_without_all_columns_of_the_backbone(stage1, inputs):
    text, text_lens, prompt, lens = inputs
    with pytest.raises(ValueError, match="prompt has 2 tokens per group"):
        next(
            generate_backbone(
                stage1, text, text_lens, prompt[..., :2], lens, greedy(3)
            )
        )


@torch.no_grad()
def test_stage_2_equals_greedy_decoding(stage2, inputs):
    _, _, prompt, lens = inputs
    prompt[0, 1, 6:] = CODES  # a prompt of another rate
    generator = torch.Generator().manual_seed(4)
    backbones = torch.randint(CODES, (5, 3, 3), generator=generator)
    budgets = torch.tensor(
        [[10, 4, 3], [3, 3, 3], [3, 3, 3], [5, 10, 3], [10, 10, 10]]
    )
    details = DetailGenerator(stage2, prompt, lens, greedy(3), 5)
    found = torch.stack([details.complete(*x) for x in zip(backbones, budgets)])
    for row, groups in enumerate((2, 4, 0)):
        ids = [stage2.start_id, *prompt[row, :groups].flatten().tolist()]
        for group in range(5):
            expected = backbones[group, row].tolist()
            ids += expected
            for level in range(3, 10):
                token = CODES
                if level < budgets[group, row]:
                    token = likeliest(stage2, ids, CODES)
                expected.append(token)
                ids.append(token)
            assert found[group, row].tolist() == expected


def test_batch_equals_single(stage1, stage2, inputs):
    text, text_lens, prompt, lens = inputs
    seeds = [5, 6, 7]

    def speak(rows):
        """Groups [N, K] of each row, and whether it has finished."""
        given = [part[rows] for part in inputs]
        chosen = [seeds[row] for row in rows]
        details = DetailGenerator(stage2, *given[2:], Sampler(chosen))
        spoken = []
        for group, finished in generate_backbone(  # noqa: B007
            stage1, *given, Sampler(chosen), max_groups=25
        ):
            # Budgets that hang on the utterance alone.
            budgets = 3 + group.sum(1) % 8
            spoken.append(details.complete(group, budgets))
        spoken = torch.stack(spoken, dim=1)
        there = (spoken[..., 0] < CODES).sum(1).tolist()
        return [
            (row[:n].tolist(), bool(end))
            for row, n, end in zip(spoken, there, finished)
        ]

    together = speak([0, 1, 2])
    assert together == [speak([row])[0] for row in range(3)]
    lengths = [len(groups) for groups, _ in together]
    assert len(set(lengths)) > 1 and any(end for _, end in together)


class Script:
    """A sampler that has its tokens written down, [B, places]."""

    def __init__(self, tokens, text_guidance=0.0):
        self.tokens = torch.tensor(tokens)
        self.text_guidance = text_guidance

    def draw(self, logits, seen, place):
        return self.tokens[:, place]


def test_stage_1_takes_3_passes_per_group(stage1, inputs):
    lines = torch.randint(CODES, (3, 60)).tolist()
    lines[0][2 * 3] = lines[1][5 * 3] = lines[2][4 * 3] = CODES  # the ends
    decoder = stage1.decoder(3, 100)
    items = list(
        generate_backbone(stage1, *inputs, Script(lines), decoder=decoder)
    )
    assert decoder.passes == 5 * 3 + 1  # and one that says the end
    assert len(items) == 6 and items[-1][1].all()
    spoken = [(group[:, 0] < CODES).tolist() for group, _ in items]
    assert [sum(row) for row in zip(*spoken)] == [2, 5, 4]
    # The same decoder again, stopped short.
    items = list(
        generate_backbone(stage1, *inputs, Script(lines), 4, decoder=decoder)
    )
    assert decoder.passes == 4 * 3
    assert items[-1][1].tolist() == [True, False, False]
    # Guidance takes rows, not passes.
    decoder = stage1.decoder(6, 100)
    items = list(
        generate_backbone(stage1, *inputs, Script(lines, 1.0), decoder=decoder)
    )
    assert decoder.passes == 5 * 3 + 1 and items[-1][1].shape == (3,)


def test_stage_2_takes_its_budget_of_passes(stage2, inputs):
    _, _, prompt, lens = inputs
    details = DetailGenerator(stage2, prompt, lens, Sampler([1, 2, 3]))
    backbone = torch.randint(CODES, (3, 3))
    ended = backbone.clone()
    ended[0] = CODES
    for budgets, given, passes in (
        ([10, 10, 10], backbone, 7),
        ([4, 6, 3], backbone, 3),
        ([3, 3, 3], backbone, 0),
        ([3, 3, 3], backbone, 0),
        ([10, 4, 5], ended, 2),  # who has ended needs nothing
    ):
        before = details.decoder.passes
        group = details.complete(given, torch.tensor(budgets))
        assert details.decoder.passes - before == passes
    assert (group[0] == CODES).all()
    assert ((group < CODES).sum(1)[1:] == torch.tensor([4, 5])).all()


def test_speech_without_an_end_has_a_maximum_length(stage1, inputs):
    text, text_lens, prompt, lens = inputs
    lines = torch.randint(CODES, (3, 300)).tolist()
    stage1.max_positions = 40
    items = list(generate_backbone(stage1, *inputs, Script(lines)))
    spoken = torch.stack([group[:, 0] < CODES for group, _ in items]).sum(0)
    used = torch.tensor([8 + 1 + 6, 3 + 1 + 12, 0 + 1 + 0])
    assert spoken.tolist() == ((40 - used) // 3).tolist()
    assert not items[-1][1].any()


def test_speech_that_loops_is_cut(stage1, inputs):
    lines = torch.randint(CODES, (3, 120))
    lines[1, 9:] = lines[1, 9:18].repeat(13)[:111]  # the same three groups
    items = list(
        generate_backbone(stage1, *inputs, Script(lines.tolist()), 40, 6)
    )
    spoken = torch.stack([group[:, 0] < CODES for group, _ in items]).sum(0)
    assert spoken.tolist() == [40, 3 + 3 + 6, 40]
    assert not items[-1][1].any()


def test_unusable_prompts_are_errors(stage1, stage2, inputs):
    text, text_lens, prompt, lens = inputs
    prompt[0, 1, 2] = CODES
    with pytest.raises(ValueError, match=r"Token \[0, 1, 2\] .* is 12"):
        next(generate_backbone(stage1, *inputs, greedy(3)))
    prompt[0, 1, 2] = 0
    stage1.max_positions = 17
    with pytest.raises(ValueError, match="Utterance 1 has 16 of 17 positions"):
        next(generate_backbone(stage1, *inputs, greedy(3)))
    stage2.max_positions = 50
    with pytest.raises(ValueError, match="Utterance 1 has 41 of 50"):
        DetailGenerator(stage2, prompt, lens, greedy(3))
    stage1.order = "level_major"
    with pytest.raises(ValueError, match="order of this model is level_major"):
        next(generate_backbone(stage1, *inputs, greedy(3)))


def test_full_decoder_is_an_error(stage1):
    decoder = stage1.decoder(1, 4)
    decoder.step(torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="4 positions and was given 5"):
        decoder.step(torch.zeros(1, 2, dtype=torch.long))


def test_decoder_compiles_four_graphs(stage1):
    """For one or more tokens and utterances, without graph breaks."""
    counter = CompileCounter()
    for batch in (1, 2, 3):
        plain = stage1.decoder(batch, 60)
        quick = stage1.decoder(batch, 60, compiled=True)
        quick.short = torch.compile(
            quick._forward, fullgraph=True, backend=counter
        )
        padding = torch.arange(batch)
        for count in (20, 1, 1, 4, 1, 6, 5, 1, 8):
            ids = torch.randint(44, (batch, count))
            expected = plain.step(ids, padding)
            torch.testing.assert_close(quick.step(ids, padding), expected)
            padding = None
    assert counter.frame_count == 4
