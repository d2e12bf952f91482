"""Stage I with an explicit alignment: losses, generation, files."""

import itertools
import json

import pytest
import torch

from speechbrain_gogo.inference.loading.group_stage import (
    load_group_stage,
    save_group_stage,
)
from speechbrain_gogo.lobes.speech.aligned.aligner import best_path
from speechbrain_gogo.lobes.speech.aligned.durations import (
    Durations,
    places_at,
)
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.codes.depth import DepthSteps
from speechbrain_gogo.lobes.speech.generation import generate_backbone

LEVELS, CODES, TEXT = [4, 3, 5], 60, 30
SMALL = {
    "dim": 16,
    "num_layers": 2,
    "num_heads": 4,
    "num_key_value_heads": 2,
    "aligner_dim": 16,
    "aligner_frames": 4,
    "dropout": 0.0,
    "history_dropout": 0.0,
}


@pytest.fixture
def lm():
    torch.manual_seed(1)
    lm = AlignedBackboneLM(TEXT, LEVELS, **SMALL)
    for weight in lm.depth.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return lm.eval()


@pytest.fixture
def inputs():
    """Text, lengths, prompt, lengths: with both, without a prompt, a text."""
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randint(TEXT, (4, 8), generator=generator),
        torch.tensor([8, 3, 5, 0]) / 8,
        torch.randint(CODES, (4, 4, 10), generator=generator),
        torch.tensor([2, 4, 0, 3]) / 4,
    )


def greedy(batch, **settings):
    settings = {"repetition_penalty": 1.0, **settings}
    return Sampler([0] * batch, temperature=0, **settings)


def test_best_path_has_the_highest_score_of_all():
    """Every path of six frames, collapsed as CTC collapses."""
    torch.manual_seed(0)
    blank, text = 3, torch.tensor([[0, 0], [1, 2], [2, 0]])
    lengths, frames = torch.tensor([2, 2, 1]), torch.tensor([6, 4, 5])
    log_probs = torch.randn(3, 6, 4).log_softmax(-1)
    found, possible = best_path(log_probs, frames, text, lengths, blank)
    assert possible.all()
    for row in range(3):
        said = text[row, : lengths[row]].tolist()
        count = int(frames[row])
        best, score = None, -torch.inf
        for path in itertools.product(range(4), repeat=count):
            letters = [k for k, _ in itertools.groupby(path) if k != blank]
            total = log_probs[row, range(count), path].sum()
            if letters == said and total > score:
                best, score = path, total
        state = found[row, :count]
        ids = [said[s // 2] if s % 2 else blank for s in state.tolist()]
        assert ids == list(best)
        assert (state.diff() >= 0).all()
    short = best_path(log_probs[:, :1], frames.clamp(max=1), text, lengths, 3)
    assert short[1].tolist() == [False, False, True]


def test_the_most_probable_prefix_is_that_of_ctc(lm):
    """Of clips and texts of several lengths, each by CTC losses of its own."""
    torch.manual_seed(0)
    aligner, batch = lm.aligner, 40
    counts, lengths = (torch.randint(0, n, (batch,)) for n in (5, 8))
    real = torch.arange(4) < counts[:, None]
    text = torch.randint(3, (batch, 7))
    log_probs = (
        3 * torch.randn(batch, 4 * aligner.frames, TEXT + 1)
    ).log_softmax(-1)
    found = aligner.spoken(log_probs, real, text, lengths).tolist()
    for row, (count, length) in enumerate(zip(counts, lengths)):
        frames = count * aligner.frames
        losses = [
            torch.nn.functional.ctc_loss(
                log_probs[row, :frames],
                text[row, :said],
                frames,
                torch.tensor(said),
                aligner.blank,
                "none",
            )
            for said in range(int(length) + 1)
            if count
        ]
        assert found[row] == (torch.stack(losses).argmin() if count else 0)
    assert len(set(found)) > 3


def test_unalignable_letters_are_spaced_evenly(lm):
    text, lengths = torch.zeros(2, 40, dtype=int), torch.tensor([40, 4])
    real = torch.tensor([[True] * 4, [True] * 2 + [False] * 2])
    log_probs = lm.aligner(torch.zeros(2, 4, 10, dtype=int), real)
    log_probs[1] = -torch.inf  # no path
    places = lm.aligner.places(log_probs, real, text, lengths).flatten(1)
    assert places[0].tolist() == [40 * t // 16 for t in range(1, 17)]
    assert places[1].tolist() == [0, 1, 1, 2, 2, 3, 3, 4] + [4] * 8
    assert lm.aligner.loss(log_probs[:1], real[:1], text[:1], lengths[:1]) == 0


def test_batch_without_text_has_no_aligner_loss():
    lm = AlignedBackboneLM(TEXT, LEVELS, aligner_batches=1, **SMALL)
    text, one = torch.zeros(2, 3, dtype=int), torch.ones(2)
    lm(text, 0 * one, torch.zeros(2, 4, 10, dtype=int), one)["loss"].backward()
    assert not any(w.grad.any() for w in lm.aligner.parameters())


def test_durations_and_positions_are_inverse():
    torch.manual_seed(0)
    durations = Durations(16, most=5)
    places = torch.tensor([[0, 0, 1, 2, 2, 2, 3, 3], [1, 1, 1, 1, 1, 1, 1, 1]])
    real = torch.arange(8) < torch.tensor([[8], [7]])
    lengths = torch.tensor([3, 1])
    scores = durations(torch.randn(2, 4, 16), lengths)
    found = durations.nll(scores, lengths, places, real)
    wanted = [[2, 1, 3, 2], [0, 5]]  # 7 frames are more than ``most``
    expected = [
        -scores[row, place].log_softmax(0)[count]
        for row, counts in enumerate(wanted)
        for place, count in enumerate(counts)
    ]
    assert torch.allclose(found, torch.stack(expected))
    counts = torch.tensor([[2.0, 1.0, 3.0, 2.0]])
    assert torch.equal(places_at(counts, 8), places[:1])
    # Ends are rounded: ten times .6 are six frames.
    parts = torch.full((1, 10), 0.6)
    assert places_at(parts, 6).tolist() == [[0, 2, 4, 5, 7, 9]]


@torch.no_grad()
def test_batch_loss_equals_single(lm, inputs):
    inputs = *inputs[:3], torch.tensor([2, 4, 1, 3]) / 4
    together, alone = lm(*inputs), []
    one = torch.ones(1)
    for row in range(4):
        text, groups = int(inputs[1][row] * 8), int(inputs[3][row] * 4)
        part = inputs[0][row : row + 1, :text], one
        part += inputs[2][row : row + 1, :groups], one
        alone.append(lm(*part))
    levels = torch.cat([part["level"] for part in alone])
    expected = torch.cat([part["nll"] for part in alone])
    order = (levels == 3).long().argsort(stable=True)  # durations come last
    assert torch.allclose(together["nll"], expected[order], atol=1e-5)
    assert together["level"].tolist() == [0, 1, 2] * 10 + [3] * (9 + 4 + 6)
    tokens, lasting = expected[levels < 3], expected[levels == 3]
    loss = tokens.mean() + lasting.mean()
    assert torch.allclose(together["loss"], loss, atol=1e-5)


@torch.no_grad()
def plan(lm, text, prompt):
    """Places of all groups [G, F] of one utterance, and how many there are."""
    expected = lm.durations.expected(*lm.text(text, torch.ones(1)))[0]
    frames, letters = lm.aligner.frames, text.shape[1]
    before = []
    if prompt.shape[1] and letters:
        real = torch.ones(prompt.shape[:2], dtype=torch.bool)
        log_probs = lm.aligner(prompt, real)
        count = torch.tensor([letters])
        said = lm.aligner.spoken(log_probs, real, text, count)
        before = lm.aligner.places(log_probs, real, text, said)[0].flatten()
        before, said = before.tolist(), int(said)
        inner = [expected[place] for place in range(1, said)]
        pace = 1.0
        if inner:
            usual = sum(p in range(1, said) for p in before)
            pace = min(max(usual / float(sum(inner)), 0.6), 1.6)
        expected = expected * pace
        spent = [before.count(place) for place in range(letters + 1)]
        for place, count in enumerate(spent):
            left = max(float(expected[place]) - count, 0)
            expected[place] = count + (left if place >= said else 0)
    elif prompt.shape[1]:
        return [[0] * frames] * lm.max_positions, lm.max_positions
    ends = expected.cumsum(0).round()
    groups = max(-int(-ends[-1] // frames), prompt.shape[1] + 1)
    places = [int((ends[:-1] <= t).sum()) for t in range(groups * frames)]
    places[: len(before)] = before
    rows = [places[i : i + frames] for i in range(0, len(places), frames)]
    return rows, groups


@pytest.mark.parametrize("guidance", [0.0, 1.5])
@torch.no_grad()
def test_greedy_generation_equals_forward_passes(lm, inputs, guidance):
    """Greedy groups, with a cache and in a batch, against whole sequences."""
    text, text_lens, prompt, lens = inputs
    sampler = greedy(4, text_guidance=guidance)
    items = generate_backbone(lm, *inputs, sampler, 6, loop_groups=99)
    found = torch.stack([group for group, _ in items], dim=1)  # [4, N, 3]
    for row in range(4):
        count, groups = int(text_lens[row] * 8), int(lens[row] * 4)
        letters = text[row : row + 1, :count]
        said = prompt[row : row + 1, :groups]
        places, last = plan(lm, letters, said)
        said = said[..., :3]
        for group in found[row]:
            if CODES in group:
                assert said.shape[1] == last
                break
            assert said.shape[1] < last
            real = torch.ones(1, said.shape[1] + 1, dtype=torch.bool)
            where = torch.tensor(places)[None, : said.shape[1] + 1]
            next_one = torch.cat([said, group[None, None]], dim=1)
            hidden = []
            for some, there in ((letters, where), (letters[:, :0], 0 * where)):
                vectors, _ = lm.text(some, torch.ones(1))
                states = lm.hidden_states(next_one, real, vectors, there)
                hidden.append(states[:, -1])
            for level in range(3):
                both = [
                    DepthSteps(lm.depth).start(h).log_probs(group[None, :level])
                    for h in hidden
                ]
                scores = both[0] + (guidance if count else 0) * (
                    both[0] - both[1]
                )
                assert int(scores.argmax()) == group[level], (row, level)
            said = next_one
    assert (found < CODES).any()


def test_overfitted_texts_are_generated_after_prompts():
    """Each letter has a group of fixed tokens."""
    torch.manual_seed(3)
    words = torch.randint(CODES, (6, 10))
    lm = AlignedBackboneLM(
        6, LEVELS, **{**SMALL, "dim": 32, "aligner_batches": 100}
    )
    optimizer = torch.optim.Adam(lm.parameters(), lr=0.01)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, 400)
    for _ in range(400):
        text = torch.randint(6, (16, 5))
        lens = torch.randint(2, 6, (16,)) / 5
        out = lm(text, lens, words[text], lens)
        assert ("aligner" in out) == (int(lm.batches) <= 100)
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
        decay.step()
    lm.eval()
    text = torch.tensor([[1, 4, 2, 2, 0, 5, 3], [5, 0, 1, 3, 0, 0, 0]])
    lens, prompt = torch.tensor([7, 4]) / 7, words[text[:, :2]]
    items = generate_backbone(
        lm, text, lens, prompt, torch.tensor([1.0, 0.5]), greedy(2)
    )
    found = torch.stack([group for group, _ in items], dim=1)
    assert found[0, :5].tolist() == words[text[0, 2:], :3].tolist()
    assert found[1, :3].tolist() == words[text[1, 1:4], :3].tolist()
    assert (found[1, 3:] == CODES).all() and (found[0, 5:] == CODES).all()


def test_samples_depend_on_the_utterances_seed_only(lm, inputs):
    def say(rows, seeds):
        parts = [part[rows] for part in inputs]
        items = generate_backbone(lm, *parts, Sampler(seeds), 5)
        return torch.stack([group for group, _ in items], dim=1)

    both, other = say([0, 2], [3, 4]), say([2, 0], [4, 3])
    assert torch.equal(both, other.flip(0))
    assert not torch.equal(both[:1], say([0], [5])[:, : both.shape[1]])


def test_stage_is_loaded_from_files(lm, tmp_path):
    save_group_stage(tmp_path, lm, "fingerprint")
    page = json.loads((tmp_path / "config.json").read_text())["gogo"]
    again = load_group_stage(tmp_path, page)
    assert again.sizes == lm.sizes
    kept = again.state_dict()
    for name, weight in lm.state_dict().items():
        assert torch.equal(kept[name], weight.half().float())
    with pytest.raises(ValueError, match="leave such clips out"):
        one = torch.ones(1)
        lm(
            torch.zeros(1, 3, dtype=int),
            one,
            torch.zeros(1, 200, 10).int(),
            one,
        )
