"""Codecs of Tables 2, 7 and 10: every row loads and trains.

Those of tables 2 and 10 become folders that GogoCodec loads.
"""

import runpy
from pathlib import Path

import pytest
import torch
from command_lines import command_line
from hyperpyyaml import load_hyperpyyaml

from recipes.common.settings import parse_arguments
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference import GogoCodec

REPOSITORY = Path(__file__).resolve().parents[4]
RECIPES = REPOSITORY / "recipes" / "LibriTTS"
MINI = RECIPES / "codec" / "hparams" / "mini.yaml"
ROWS = sorted(MINI.parent.glob("table*/*.yaml"))
MODEL = (
    "{dim: 32, text_vocab: 40, "
    "encoder: {stem_layers: 1, num_layers: 1, ffn_dim: 64}, "
    "backbone: {dim: 32, num_layers: 1}, flow: {num_steps: 1}}"
)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """YAMLs make their output folders, where the working copy is not."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load():
    """Loads a recipe's YAML with the lines of a row, at a tiny size."""

    def load_row(row, main, **overrides):
        line = [main, "--data_folder=.", "--ablation", row]
        settings = {"model": MODEL, **overrides}
        line += [f"--{key}={value}" for key, value in settings.items()]
        return parse_arguments([str(word) for word in line]).load()

    return load_row


@pytest.mark.parametrize("row", ROWS, ids=lambda p: f"{p.parent.stem}/{p.stem}")
def test_one_update(load, row):
    """Parts that a row leaves out do not exist; the others are trained."""
    torch.manual_seed(0)
    hparams = load(row, MINI)
    assert (
        row.stem == hparams["variant"] == hparams["output_folder"].split("/")[2]
    )
    objective = hparams["model"]["objective"].train()
    parts = {
        "no_asr": ["asr_head"],
        "no_ar_prior": ["ar_prior"],
        "no_nested_dropout": [],
        "no_nested_dropout_fixed_weights": ["nested_dropout"],
        "no_balancer": ["balancer"],
        "rvq": ["ar_prior"],
    }
    left_out = parts.get(row.stem, ["ar_prior", "nested_dropout", "balancer"])
    for name in ("asr_head", "ar_prior", "nested_dropout", "balancer"):
        assert (getattr(objective, name) is None) == (name in left_out), name

    optimizer = hparams["opt_class"](objective.parameters())
    batch = 0.1 * torch.randn(2, 15000), torch.tensor([1.0, 0.6])
    words = torch.randint(3, 40, (2, 5)), torch.ones(2)
    losses = objective(*batch, *words)
    assert ("commitment" in losses) == (row.parent.stem == "table2")
    losses["loss"].backward()
    idle = {
        name
        for name, weight in objective.named_parameters()
        if weight.requires_grad and weight.grad is None
    }
    assert not idle  # a distributed wrapper would wait for them
    optimizer.step()
    assert objective(*batch, *words)["loss"].isfinite()


def test_weights_without_balancer_or_dropout(load):
    """Both are 1; without nested dropout those of all n_q tokens."""
    batch = 0.1 * torch.randn(2, 15000), torch.tensor([1.0, 0.6])
    words = torch.randint(3, 40, (2, 5)), torch.ones(2)
    folder = MINI.parent / "table7"
    for row, cfm, asr in (
        ("no_balancer", 1.0, 1.0),
        ("no_nested_dropout_fixed_weights", 1.8, 0.2),
    ):
        hparams = load(folder / f"{row}.yaml", MINI)
        found = hparams["model"]["objective"].train()(*batch, *words)
        mean = cfm * found["cfm"] + 0.05 * asr * found["asr"]
        mean = mean + 0.06 * found["ar"]
        torch.testing.assert_close(found["loss"], mean)


def test_fixed_weights_without_nested_dropout(load, monkeypatch):
    """All tokens count, and the balancer sees the n_k that were drawn."""
    row = MINI.parent / "table7" / "no_nested_dropout.yaml"
    objective = load(row, MINI)["model"]["objective"].train()
    seen, align = [], objective.codec.align
    monkeypatch.setattr(
        objective.codec, "align", lambda q: seen.append(q) or align(q)
    )
    drawn = []
    objective.balancer.register_forward_hook(
        lambda _, inputs, __: drawn.append(inputs[0])
    )
    wavs = 0.1 * torch.randn(50, 6000)
    generator = torch.Generator().manual_seed(0)
    objective(wavs, torch.ones(50), generator=generator)
    assert sorted(set(drawn[0].tolist())) == list(range(1, 11))
    assert not (seen[0] == objective.codec.mask).all(-1).any()


@pytest.mark.parametrize("row", ["table2/rvq", "table10/frame_wise"])
def test_frame_wise_codecs_train_and_export(
    tiny_corpus, tmp_path, monkeypatch, row
):
    """The recipe trains and exports them; a prefix of layers is coarser."""
    script = RECIPES / "codec" / "train.py"
    monkeypatch.syspath_prepend(script.parent)
    settings = {
        "ablation": script.parent / "hparams" / f"{row}.yaml",
        "data_folder": tiny_corpus,
        "train_csv": tiny_corpus / "train.csv",
        "valid_csv": tiny_corpus / "valid.csv",
        "skip_prep": True,
        "output_folder": tmp_path,
        "model": MODEL,
        "device": "cpu",
        "precision": "fp32",
        "num_workers": 0,
        "num_steps": 3,
        "number_of_epochs": 1,
        "batch_seconds": 8,
        "num_buckets": 2,
        "num_samples": 0,
        "log_interval": 1,
    }
    line = command_line(MINI, settings)
    runpy.run_path(str(script))["main"](line)
    trained = {"cfm", "asr"} | ({"commitment"} if "rvq" in row else set())
    log = read_log(tmp_path / "progress.jsonl")
    assert trained <= set(log[0]) and "ar" not in log[0]

    codec = GogoCodec.from_hparams(tmp_path / "export")
    levels, codes = (10, 1024) if "rvq" in row else (1, 12800)
    assert (codec.num_codebooks, codec.vocab_size) == (levels, codes)
    assert codec.group_rate == 46.875
    random = torch.Generator().manual_seed(0)
    wavs = 0.1 * torch.randn(2, 13000, generator=random)
    wav_lens = torch.tensor([1.0, 0.5])
    tokens, lens = codec.encode_batch(wavs, wav_lens)
    assert tokens.shape == (2, 26, levels) and lens.tolist() == [1.0, 0.5]
    codec.codec.chunk_size = 7
    in_chunks, _ = codec.encode_batch(wavs, wav_lens)
    first, _ = codec.encode_batch(wavs, wav_lens, num_tokens=1)
    if "rvq" in row:  # so short a training leaves codes that are equals
        in_chunks, whole, first, coarsest = (
            codec.embed(x).sum(2)
            for x in (in_chunks, tokens, first, tokens[..., :1])
        )
        torch.testing.assert_close(in_chunks, whole, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(first, coarsest, atol=1e-3, rtol=1e-3)
    else:
        assert torch.equal(in_chunks, tokens)
        assert torch.equal(first, tokens)
    for keep in {1, levels}:
        heard, _ = codec.decode_batch(
            tokens, lens, keep=keep, num_samples=13000
        )
        again, _ = codec.decode_batch(
            tokens[..., :keep], lens, num_samples=13000
        )
        assert heard.shape == wavs.shape and heard.isfinite().all()
        torch.testing.assert_close(heard, again)

    if "rvq" in row:  # what is not kept adds nothing
        clip = next(tiny_corpus.glob("train*/*/*/*.wav"))
        wavs = read_audio(clip, codec.sample_rate)[None]  # it knows such audio
        tokens = codec.encode_batch(wavs, torch.ones(1))[0]
        groups = codec.codec.group(wavs)[0]
        real = torch.ones(groups.shape[:2], dtype=torch.bool)
        seen = codec.codec.encoder(groups, real).unsqueeze(2)
        tokens[..., 4:] = codec.mask_id
        q = codec.embed(tokens)
        assert not q[:, :, 4:].any()
        kept = codec.embed(tokens[..., :4]).sum(2, keepdim=True)
        torch.testing.assert_close(codec.codec.combine(q), kept)
        assert (seen - kept).square().mean() < seen.square().mean()


STAGE_ROWS = sorted((RECIPES / "speech_lm" / "hparams").glob("t*/*.yaml"))


@pytest.mark.parametrize(
    "row", STAGE_ROWS, ids=lambda p: f"{p.parent.stem}/{p.stem}"
)
def test_rows_of_the_stages(row):
    """Table 8 and 10: both stages share the tokens of every group."""
    folder = row.parent.parent
    torch.manual_seed(0)
    lms = {}
    for stage in (1, 2):
        line = [folder / f"mini_stage{stage}.yaml", "--ablation", row]
        llama = f"llama{stage}: {{num_layers: 1, num_heads: 2}}"
        small = f"{{dim: 16, text_size: 60, codebook_size: 40, {llama}}}"
        line += ["--train_tokens=.", "--valid_tokens=.", "--model", small]
        hparams = parse_arguments([str(word) for word in line]).load()
        assert hparams["output_folder"].split("/")[2] == hparams["variant"]
        lms[stage] = hparams["lm"].train()
    levels = 1 if row.stem == "frame_wise" else 10
    b = lms[1].backbone_size
    assert lms[2].backbone_size == b and lms[2].num_tokens == levels
    groups = 840 // levels  # as many seconds in every row
    assert lms[1].sequence_length(128, groups) == lms[1].max_positions
    shares = {"no_allocator": 1.0}
    assert lms[2].full_share == shares.get(row.stem, 0.5)
    if row.parent.stem == "table8":
        assert row.stem == f"b_{b}"
    elif row.parent.stem == "table3":
        assert b == 3
    else:
        assert b == levels  # Stage I says it all

    optimizer = torch.optim.AdamW(lms[1].parameters())
    tokens, ones = torch.randint(40, (2, 4, levels)), torch.ones(2)
    text = torch.randint(60, (2, 5))
    out = lms[1](text, ones, tokens, ones)
    assert sorted(set(out["level"].tolist())) == list(range(b + 1))
    out["loss"].backward()
    optimizer.step()
    if b < levels:
        out = lms[2](tokens, ones, budgets=torch.full((2, 4), levels))
        assert sorted(set(out["level"].tolist())) == list(range(b, levels))
        out["loss"].backward()


def test_command_line_overrides_ablations():
    """Sizes of a part that the ablation leaves out are refused."""
    row = str(MINI.parent / "table7" / "no_asr.yaml")
    line = [str(MINI), "--ablation", row, "--variant", "mine"]
    given = parse_arguments([*line, "--model", "{dim: 8}"])
    found = load_hyperpyyaml(given.overrides)
    assert found["variant"] == "mine" and found["ablation"] == row
    assert found["model"] == {"asr_head": None, "dim": 8}
    with pytest.raises(ValueError, match="drop one of them"):
        parse_arguments([*line, "--model", "{asr_head: {num_layers: 1}}"])


def test_gpu_codec_fits_in_20_megabytes(load):
    """In 20 MB of half precision."""
    larger = load(MINI.parent / "gpu/mini.yaml", MINI, model="{text_vocab: 40}")
    codec = larger["model"]["codec"]
    assert len(codec.flow.backbone.blocks) == 6
    assert 9e6 < sum(p.numel() for p in codec.parameters()) < 10e6
