"""Stages with one large pass per group: losses, generation, passes, files."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.checks.weights import weights_of
from speechbrain_gogo.inference.loading.export_speech import (
    export_speech,
    export_speech_stage,
)
from speechbrain_gogo.inference.loading.group_stage import (
    load_group_stage,
    save_group_stage,
)
from speechbrain_gogo.lobes.nn.int8 import Int8
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.codes.code_grid import CodeGrid, GridOutput
from speechbrain_gogo.lobes.speech.codes.depth import DepthSteps
from speechbrain_gogo.lobes.speech.decoding.weights import Dense
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
from speechbrain_gogo.lobes.speech.group_state import GroupDecoder

LEVELS, CODES, TEXT = [4, 3, 5], 60, 30
SMALL = {"dim": 16, "num_layers": 2, "num_heads": 4, "num_key_value_heads": 2}


def shaken(lm):
    """A stage whose outputs differ from each other, as trained ones do."""
    torch.manual_seed(2)
    for weight in lm.depth.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return lm.eval()


@pytest.fixture
def stage1():
    torch.manual_seed(1)
    lm = GroupBackboneLM(TEXT, LEVELS, **SMALL)
    lm.end.bias.data -= 4  # speech goes on for a while
    return shaken(lm)


@pytest.fixture
def stage2():
    torch.manual_seed(1)
    return shaken(GroupDetailLM(LEVELS, **SMALL))


@pytest.fixture
def inputs():
    """Text, lengths, prompt, lengths of three utterances."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(TEXT, (3, 8), generator=generator),
        torch.tensor([8, 3, 0]) / 8,
        torch.randint(CODES, (3, 4, 10), generator=generator),
        torch.tensor([2, 4, 0]) / 4,
    )


def greedy(batch, **settings):
    settings = {"repetition_penalty": 1.0, **settings}
    return Sampler([0] * batch, temperature=0, **settings)


def test_digits_equal_fsq():
    from speechbrain_gogo.lobes.gogo.quantizer import FSQ

    codes = torch.arange(CODES)
    points = FSQ(LEVELS, dim=3).points(torch.arange(CODES))  # [C, 3]
    ranks = [axis.unique(return_inverse=True)[1] for axis in points.T]
    found = CodeGrid(LEVELS).digits(codes)
    assert torch.equal(found.flip(1), torch.stack(ranks, 1))


@pytest.mark.parametrize("levels", ([4, 3, 5], [3, 2], [7]))
@pytest.mark.parametrize("scale", (1, 50))
def test_log_probabilities_are_sums_over_digits(levels, scale):
    """Against a loop over codes; the slowest digit comes first."""
    output = GridOutput(levels)
    scores = scale * torch.randn(2, output.num_scores)
    sizes = levels[::-1]
    parts, rest = {}, scores[1]
    names = [(j,) for j in range(len(sizes))]
    names += [(i, j) for j in range(len(sizes)) for i in range(j)]
    for name in names:
        shape = [sizes[j] for j in name]
        parts[name] = rest[: math.prod(shape)].view(shape)
        rest = rest[math.prod(shape) :]
    found = output.log_probs(scores)[1]
    assert len(rest) == 0 and len(found) == math.prod(levels)
    for code, digit in enumerate(itertools.product(*map(range, sizes))):
        total = 0.0
        for j in range(len(sizes)):
            logits = sum(
                (parts[i, j][digit[i]] for i in range(j)), parts[j,].double()
            )
            total += logits.log_softmax(0)[digit[j]]
        assert torch.isclose(found[code].double(), total, 1e-5, 1e-5 * scale)
    codes = torch.arange(len(found))
    nll = output.nll(scores[1:].expand(len(codes), -1), codes)
    assert torch.allclose(nll, -found, 1e-5, 1e-5 * scale)


@torch.no_grad()
def test_stage_1_batch_loss_equals_single(stage1, inputs):
    together = stage1(*inputs)
    alone = []
    for row in range(3):
        text, groups = int(inputs[1][row] * 8), int(inputs[3][row] * 4)
        one = torch.ones(1)
        part = inputs[0][row : row + 1, :text], one
        part += inputs[2][row : row + 1, :groups], one
        alone.append(stage1(*part)["nll"])
    # The ends come last in a batch.
    codes = torch.cat([nll[:-1] for nll in alone])
    ends = torch.cat([nll[-1:] for nll in alone])
    expected = torch.cat([codes, ends])
    assert torch.allclose(together["nll"], expected, atol=1e-5)
    assert together["level"].tolist() == [0, 1, 2] * 6 + [3] * 3


@pytest.mark.parametrize("guidance", [0.0, 1.5])
@torch.no_grad()
def test_greedy_generation_equals_forward_passes(stage1, inputs, guidance):
    """Greedy groups, with a cache and in a batch, against whole sequences."""
    text, text_lens, prompt, lens = inputs
    sampler = greedy(3, text_guidance=guidance)
    items = generate_backbone(stage1, *inputs, sampler, 4, loop_groups=99)
    found = torch.stack([group for group, _ in items], dim=1)  # [3, N, 3]
    one = torch.ones(1)
    for row in range(3):
        count, groups = int(text_lens[row] * 8), int(lens[row] * 4)
        said = prompt[row : row + 1, :groups, :3]
        for group in found[row]:
            if CODES in group:
                break
            for level in range(3):
                hidden = [
                    last_hidden(stage1, text[row : row + 1, :n], said)
                    for n in (count, 0)
                ]
                told, untold = (
                    log_probs(stage1, h, group[None, :level]) for h in hidden
                )
                gained = told.log_softmax(1) - untold.log_softmax(1)
                logits = told + (guidance if guidance else 0) * gained
                assert int(logits.argmax()) == group[level], (row, level)
            said = torch.cat([said, group[None, None]], dim=1)
    assert one.all() and (found < CODES).any()


def log_probs(lm, hidden, tokens):
    """Of the next token of a group, without those of the calls before."""
    return lm.log_probs(hidden, tokens, DepthSteps(lm.depth).start(hidden))


def last_hidden(lm, text, groups):
    """Of the last position, all of the sequence read anew, [1, D]."""
    real = torch.ones(1, groups.shape[1], dtype=torch.bool)
    x, position, _ = lm.sequence(text, torch.ones(1), groups, real)
    return lm.llama(x, position=position)[:, -1]


@torch.no_grad()
def test_stage_2_greedy_completion_equals_forward_passes(stage2, inputs):
    _, _, prompt, lens = inputs
    prompt[0, 1, 6:] = CODES  # a prompt of another rate
    generator = torch.Generator().manual_seed(4)
    backbones = torch.randint(CODES, (4, 3, 3), generator=generator)
    budgets = torch.tensor([[10, 4, 3], [3, 3, 3], [5, 10, 3], [10, 10, 10]])
    details = DetailGenerator(stage2, prompt, lens, greedy(3), 4)
    found = [details.complete(*x) for x in zip(backbones, budgets)]
    # No pass for groups without details; the next one reads them along.
    assert details.decoder.passes == 3
    for row, groups in enumerate((2, 4, 0)):
        said = prompt[row : row + 1, :groups]
        for index, group in enumerate(found):
            group, budget = group[row : row + 1], int(budgets[index, row])
            assert group[0, :3].tolist() == backbones[index, row].tolist()
            assert (group[0, budget:] == CODES).all()
            said = torch.cat([said, group[:, None]], dim=1)
            x = stage2.sequence(said)
            hidden = stage2.llama(x)[:, -1]
            for level in range(3, budget):
                logits = log_probs(stage2, hidden, group[:, :level])
                assert int(logits.argmax()) == group[0, level]


@torch.no_grad()
def test_stage_2_loss_excludes_masked_tokens(stage2, inputs):
    tokens, lens = inputs[2], torch.tensor([1.0, 0.5, 0.25])
    budgets = torch.tensor([[10, 3, 5, 4], [10, 10, 3, 3], [3, 3, 3, 3]])
    out = stage2(tokens, lens, budgets)
    assert out["level"].tolist() == [
        *range(3, 10), 3, 4, 3, *range(3, 10), *range(3, 10)
    ]  # fmt: skip
    tokens = tokens.clone()
    tokens[0, 0, 9] = CODES  # missing in the corpus
    assert len(stage2(tokens, lens)["nll"]) == 7 * 7 - 1
    nothing = stage2(tokens, lens, torch.full((3, 4), 3))
    assert len(nothing["nll"]) == 0 and nothing["loss"] == 0
    with pytest.raises(ValueError, match="leave such clips out"):
        stage2(torch.zeros(1, 200, 10, dtype=torch.long), torch.ones(1))


def test_both_stages_overfit_two_utterances(stage1, stage2, inputs):
    stages = (stage1, inputs), (stage2, (inputs[2], inputs[3]))
    for lm, batch in stages:
        optimizer = torch.optim.Adam(lm.parameters(), lr=0.01)
        lm.train().full_share = 1.0
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            losses.append(lm(*batch)["loss"])
            losses[-1].backward()
            optimizer.step()
        assert losses[-1] < 0.2 * losses[0]


def test_stage_is_loaded_from_files(stage1, stage2, tmp_path):
    import json

    for lm in (stage1, stage2):
        save_group_stage(tmp_path, lm, "fingerprint")
        page = json.loads((tmp_path / "config.json").read_text())["gogo"]
        again = load_group_stage(tmp_path, page)
        assert again.sizes == lm.sizes and page["codebook_size"] == CODES
        kept = again.state_dict()
        for name, weight in lm.state_dict().items():
            assert torch.equal(kept[name], weight.half().float())
    with pytest.raises(ValueError, match="does not describe a stage"):
        load_group_stage(tmp_path, {**page, "widht": 3})


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_synthesis_from_files(
    tiny_stages, tiny_codec_folder, tmp_path, monkeypatch, weights
):
    """Streamed, in a batch and whole it is the same; passes are counted."""
    levels, parts = [8, 8, 8, 5, 5], (tmp_path / "one", tmp_path / "two")
    torch.manual_seed(3)
    first = GroupBackboneLM(60, levels, **SMALL)
    first.end.bias.data -= 2
    export_speech_stage(parts[0], shaken(first), tiny_stages[2])
    export_speech_stage(parts[1], shaken(GroupDetailLM(levels, **SMALL)))
    folder = export_speech(
        tmp_path / "both", tiny_codec_folder, *parts, weights=weights
    )
    speech = GogoSpeech.from_hparams(folder, run_opts={"device": "cpu"})
    passes, step = [], GroupDecoder.step

    def counted(self, *given):
        passes.append(len(given[0]))
        return step(self, *given)

    monkeypatch.setattr(GroupDecoder, "step", counted)
    prompt = 0.1 * torch.randn(3 * 24000)
    request = "So be it", prompt, "the quick brown fox"
    said = speech.clone_voice(*request, seed=5)
    groups = len(said.tokens)
    # One large pass of each stage, and one more that says the end.
    assert groups > 1 and len(passes) == 2 * groups + said.finished
    chunks = list(speech.stream_voice(*request, seed=5))
    assert torch.equal(torch.cat(chunks), said.wav)
    pair = speech.clone_voice_batch([request, request], seed=5)
    assert all(torch.equal(one.tokens, said.tokens) for one in pair)


def test_int8_is_refused_on_a_gpu():
    codec = SimpleNamespace(device="cpu", precision="fp32")
    assert weights_of("int8", codec) is weights_of("auto", codec) is Int8
    with pytest.raises(ValueError, match="use one of"):
        weights_of("int4", codec)
    codec.precision = "bf16"
    assert weights_of("auto", codec) is Dense
    with pytest.raises(ValueError, match="take weights='float'"):
        weights_of("int8", codec)
