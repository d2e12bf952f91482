"""The stages of GogoSpeech: losses token by token, sizes, ids."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.lobes.speech.llama import (
    extended_llama,
    speech_llama,
)
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM, draw_budgets
from speechbrain_gogo.lobes.tokens.patterns import flatten, pack

TEXT, CODES = 30, 40


@pytest.fixture
def batch():
    """Text, lengths, tokens, lengths and the true numbers of both."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(TEXT, (3, 7), generator=generator)
    tokens = torch.randint(CODES, (3, 4, 10), generator=generator)
    letters, groups = torch.tensor([7, 4, 0]), torch.tensor([2, 4, 1])
    return text, letters / 7, tokens, groups / 4, letters, groups


@pytest.fixture
def stage1():
    torch.manual_seed(0)
    return BackboneLM(speech_llama(72, 16, 2, 2, 32), TEXT, CODES).eval()


@pytest.fixture
def stage2():
    torch.manual_seed(0)
    llama = speech_llama(42, 16, 2, 2, 32)
    return DetailLM(llama, codebook_size=CODES).eval()


def slow_nll(lm, prefix, token):
    """-log P(token | prefix) among the rows that can be spoken."""
    logits = lm.llama(torch.tensor([prefix])).logits[0, -1, lm.output_slice]
    return -logits.log_softmax(0)[token]


@torch.no_grad()
def test_equation_6_token_by_token(stage1, batch):
    text, text_lens, tokens, lens, letters, groups = batch  # 7, 4, 0 letters
    expected = []
    for row in range(3):
        context = text[row, : letters[row]].tolist() + [stage1.start_id]
        for token in tokens[row, : groups[row], :3].flatten().tolist():
            expected.append((slow_nll(stage1, context, token), row))
            context.append(TEXT + token)
        expected.append((slow_nll(stage1, context, CODES), row))
        size = stage1.sequence_length(int(letters[row]), int(groups[row]))
        assert size == len(context) + 1
    found = stage1(text, text_lens, tokens, lens)
    nll = torch.stack([value for value, _ in expected])
    torch.testing.assert_close(found["nll"], nll)
    torch.testing.assert_close(found["loss"], nll.mean())
    levels = [*[0, 1, 2] * 2, 3, *[0, 1, 2] * 4, 3, 0, 1, 2, 3]
    assert found["level"].tolist() == levels


@torch.no_grad()
def test_equation_7_token_by_token(stage2, batch):
    _, _, tokens, lens, _, groups = batch
    budgets = torch.tensor([[10, 3, 9, 9], [4, 10, 3, 7], [5, 3, 3, 3]])
    expected = []
    for row in range(3):
        context = [stage2.start_id]
        for group in range(groups[row]):
            for level, token in enumerate(tokens[row, group].tolist()):
                if level < budgets[row, group]:
                    if level >= 3:
                        expected.append(slow_nll(stage2, context, token))
                    context.append(token)
                else:
                    context.append(stage2.mask_id)
    found = stage2(tokens, lens, budgets)
    torch.testing.assert_close(found["nll"], torch.stack(expected))
    torch.testing.assert_close(found["loss"], torch.stack(expected).mean())
    masked = torch.where(torch.arange(10) < budgets[:, :, None], tokens, CODES)
    again = stage2(masked, lens)  # a clip that has no more tokens
    torch.testing.assert_close(found["nll"], again["nll"])
    nothing = stage2(tokens, lens, torch.full_like(budgets, 3))
    assert len(nothing["nll"]) == 0 and nothing["loss"] == 0


def test_budgets_of_training(stage2, batch):
    _, _, tokens, lens, _, _ = batch
    generator = torch.Generator().manual_seed(3)
    drawn = draw_budgets(stage2.train(), 4000, 5, generator)
    full = (drawn == 10).all(1)
    assert full.float().mean() == pytest.approx(0.5, abs=0.03)
    shares = torch.bincount(drawn[~full].flatten(), minlength=11) / (
        5 * (~full).sum()
    )
    assert shares[:3].sum() == 0
    torch.testing.assert_close(
        shares[3:], torch.full((8,), 1 / 8), atol=0.02, rtol=0
    )
    losses = [
        stage2(tokens, lens, generator=generator.manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(losses[0]["nll"], losses[1]["nll"])
    assert len(losses[0]["nll"]) != len(losses[2]["nll"])


def test_only_output_rows_get_gradients(stage1, batch):
    text, text_lens, tokens, lens, *_ = batch
    stage1(text, text_lens, tokens, lens)["loss"].backward()
    output = stage1.llama.lm_head.weight.grad
    unused = set(range(TEXT)) - set(text.flatten().tolist())
    assert (output[sorted(unused)] == 0).all()
    assert (output[stage1.output_slice].abs().sum(1) > 0).all()


def test_level_major_order(stage1, batch):
    text, text_lens, tokens, _, _, _ = batch
    stage1.order = "level_major"
    found = stage1(text, text_lens, tokens, torch.ones(3))
    assert found["level"][:13].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3]
    (_, _, (ids, _)) = stage1.prefix(text, text_lens, tokens, torch.ones(3))
    assert torch.equal(ids - TEXT, flatten(tokens[..., :3], "level_major"))


def test_left_and_right_padding():
    part = torch.tensor([[1, 2, 3], [4, 9, 9]])
    real = torch.tensor([[True] * 3, [True, False, False]])
    end = torch.tensor([[5], [6]])
    parts = [(part, real), (end, torch.ones_like(end, dtype=torch.bool))]
    ids, length = pack(parts)
    assert ids.tolist() == [[1, 2, 3, 5], [4, 6, 0, 0]]
    assert length.tolist() == [4, 2]
    assert pack(parts, left=True)[0].tolist() == [[1, 2, 3, 5], [0, 0, 4, 6]]


def test_clips_that_do_not_fit_are_refused(stage1, stage2, batch):
    text, text_lens, tokens, lens, *_ = batch
    stage1.max_positions = 4 * 3 + 4 + 1
    with pytest.raises(
        ValueError, match="clip of the batch takes 18 positions"
    ):
        stage1(text, text_lens, tokens, lens)
    stage2.max_positions = 40
    with pytest.raises(ValueError, match="takes 41 positions"):
        stage2(tokens, lens)
    with pytest.raises(ValueError, match="has 72 ids"):
        BackboneLM(stage1.llama, TEXT + 1, CODES)


def test_size_of_the_paper(request):
    root = request.config.rootpath
    path = root / "hparams" / "gogospeech.yaml"
    llama = root / "bench" / "llama-3.2-1b"  # its configuration
    source = {"llama": str(llama), "pretrained": False}
    with open(path) as stream, torch.device("meta"):
        found = load_hyperpyyaml(stream, overrides=source)
    block = 2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048
    expected = (128256 + 12802) * 2048 + 16 * block + 2048
    for stage, positions in (("stage1", 256), ("stage2", 1024)):
        lm = found[stage]
        lm.llama.tie_weights()  # transformers 5.0 does not, on this device
        assert sum(p.numel() for p in lm.parameters()) == expected
        assert 1.24 <= round(expected / 1e9, 2) <= 1.26
        assert lm.max_positions == positions
        assert (lm.codebook_size, lm.backbone_size) == (12800, 3)
    assert found["stage1"].end_id == found["stage2"].mask_id == 128256 + 12800
    sampling = {"temperature": 0.8, "repetition_penalty": 1.2, "top_p": 1.0}
    assert sampling.items() <= found["sampling"].items()


def test_small_stages_fit_in_25_megabytes(request):
    path = request.config.rootpath / "hparams" / "mini" / "gogospeech.yaml"
    with open(path) as stream:
        found = load_hyperpyyaml(stream)
    sizes = [
        sum(p.numel() for p in found[stage].half().parameters())
        for stage in ("stage1", "stage2")
    ]
    assert 2 * sum(sizes) < 25e6
    config = found["stage1"].llama.config
    assert config.vocab_size == found["text_size"] + 12800 + 2


def test_pretrained_llama_keeps_its_text_rows(tmp_path):
    speech_llama(TEXT, 16, 2, 2, 32).save_pretrained(tmp_path)
    llama = extended_llama(tmp_path, num_new=CODES + 2)
    old = speech_llama(TEXT, 16, 2, 2, 32).from_pretrained(tmp_path)
    rows = llama.lm_head.weight
    assert rows.shape == (TEXT + CODES + 2, 16)
    assert torch.equal(rows[:TEXT], old.lm_head.weight)
    assert rows is llama.get_input_embeddings().weight
    BackboneLM(llama, TEXT, CODES)
