"""Tables of the reconstruction recipe: rows, figures, intervals, systems."""

import math
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from noisy_codec import RATE, Difference, NoisyCodec, read_rows

from speechbrain_gogo.lobes.allocator.policy import TokenAllocator
from speechbrain_gogo.metrics.speech_metric import Figure

RECIPE = Path(__file__).resolve().parents[4] / "recipes/LibriTTS/reconstruction"


def test_every_row_and_report(recipe, hparams, real_plots):
    """All utterances by all systems, and figures that follow from them."""
    summary = recipe.evaluate([NoisyCodec()], [Difference()], hparams)
    pairs = [(r["ID"], r["system"]) for r in read_rows(hparams)]
    assert len(set(pairs)) == len(pairs) == 9
    means = [summary[s, "difference"][0] for s in ("original", "noisy, keep 4")]
    assert means == pytest.approx([0, 0.25], abs=1e-6)
    folder = Path(hparams["output_folder"])
    table = (folder / "table.md").read_text()
    assert "Judge: difference of samples." in table
    line = "| noisy, keep 4 | noise (CC0) | 20 | 5 | 4 | 200 | 0.250 (0.250-0.250) |"
    assert line in table
    assert table.index("| original |") < table.index(line)
    assert (folder / "rate_quality.png").stat().st_size > 1000
    written = sorted(p.name for p in folder.glob("samples/*/*.wav"))
    assert written == ["noisy_keep_1.wav", "noisy_keep_4.wav", "original.wav"]
    assert (
        soundfile.info(str(folder / "samples/utt0" / written[0])).duration
        == 0.5
    )


def test_paired_differences(recipe, hparams):
    """Their intervals do not depend on differences between utterances."""

    class Loudness(Difference):
        def measure(self, predict, target, transcript=None):
            noise = float(predict.mean() - target.mean())
            return {"difference": noise + 10 * float(abs(target).sum())}

    hparams["reference"] = "noisy, keep 1"
    recipe.evaluate([NoisyCodec()], [Loudness()], hparams)
    table = (Path(hparams["output_folder"]) / "table.md").read_text()
    _, differences = table.split("## More than noisy, keep 1")
    assert "| noisy, keep 4 | -0.750 (-0.750 to -0.750) |" in differences
    assert "| original | -1.000 (-1.000 to -1.000) |" in differences
    hparams["reference"] = "original"
    hparams["output_folder"] += "_alone"
    recipe.evaluate([], [Loudness()], hparams)
    table = (Path(hparams["output_folder"]) / "table.md").read_text()
    assert "| original |" in table and "## More than" not in table
    hparams["reference"] = "noisy, keep 2"
    with pytest.raises(ValueError, match="'noisy, keep 2' is none of"):
        recipe.evaluate([NoisyCodec()], [Loudness()], hparams)


def test_options_per_utterance(recipe, hparams):
    """Each utterance has its own budgets; the audio is resampled."""

    class Allocating(NoisyCodec):
        sample_rate = RATE // 2

        def rows(self, utterances):
            budgets = torch.tensor([[1, 3], [1, 1], [3, 3]]).split(1)
            return {"allocator": {"keep": dict(zip(utterances, budgets))}}

        def rate(self, keep):
            return super().rate(recipe.mean_budget(keep))

        def reconstruct(self, wavs, keep):
            assert wavs.shape == (1, RATE // 4)  # resampled
            return torch.zeros_like(wavs) + keep.double().mean().float()

    class Middle(Difference):
        def measure(self, predict, target, transcript=None):
            return {"difference": float(predict[len(predict) // 2])}

    from budgets import mean_budget

    recipe.mean_budget = mean_budget
    summary = recipe.evaluate([Allocating()], [Middle()], hparams)
    values = [
        float(row["difference"])
        for row in read_rows(hparams)
        if row["system"] == "noisy, allocator"
    ]
    assert values == pytest.approx([2, 1, 3], rel=1e-2)
    mean = summary["noisy, allocator", "difference"][0]
    assert mean == pytest.approx(2, rel=1e-2)
    table = (Path(hparams["output_folder"]) / "table.md").read_text()
    assert "| noisy, allocator | noise (CC0) | 10 |" in table


def test_rows_of_gogo(recipe, hparams, tiny_codec_folder):
    """The vocoder, each keep; the rate of Table 1; and plans are settings."""
    from systems import GogoSystem

    system = GogoSystem(tiny_codec_folder, keeps=[3, 10], vocoder_row=True)
    rows = system.rows(recipe.read_test_set(hparams))
    assert list(rows) == ["vocoder only", "keep 3", "keep 10"]
    assert system.rate(**rows["vocoder only"]) is None
    rate = system.rate(**rows["keep 10"])
    assert (rate.tokens, rate.codebooks) == (46.875, 1)
    assert rate.bits == pytest.approx(46.875 * math.log2(12800))
    wavs = torch.randn(1, RATE // 2) / 10
    for options in rows.values():
        assert system.reconstruct(wavs, **options).shape == wavs.shape
    system.plans = (["uniform"], None, 0)
    with pytest.raises(ValueError, match="allocator"):
        system.rows(recipe.read_test_set(hparams))


def test_rates_of_codecs_with_several_codebooks(
    recipe, tiny_socodec_folder, tiny_cofi_folder
):
    """Steps a second and streams of SoCodec, those of CoFi's finest scale."""
    from systems import GogoSystem

    for folder, keep, rates in (
        (tiny_socodec_folder, 1, (25 / 3, 25 / 3, 1)),
        (tiny_socodec_folder, 4, (100 / 3, 25 / 3, 4)),
        (tiny_cofi_folder, 2, (100 / 3, 25, 2)),
        (tiny_cofi_folder, 3, (700 / 3, 50, 6)),
    ):
        rate = GogoSystem(folder).rate(keep)
        assert (rate.tokens, rate.frames, rate.codebooks) == pytest.approx(
            rates
        )


def test_settings_of_gogo_decide_every_row(recipe, tiny_codec_folder, tmp_path):
    """The solver is one of them, the precision also that of the vocoder alone."""
    from systems import GogoSystem

    other = shutil.copytree(tiny_codec_folder, tmp_path / "other")
    yaml = other / "hyperparams.yaml"
    text = yaml.read_text()
    assert text.count("sway_coefficient: -1.0") == 1
    yaml.write_text(text.replace("sway_coefficient: -1.0", "solver: midpoint"))
    usual, changed = (GogoSystem(f) for f in (tiny_codec_folder, other))
    assert changed.settings.pop("sampler") and changed.settings["weights"]
    assert changed.settings == usual.settings
    system = GogoSystem(tiny_codec_folder, run_opts={"precision": "bf16"})
    used = []
    system.codec.vocoder.register_forward_hook(
        lambda *call: used.append(torch.is_autocast_enabled("cpu"))
    )
    for options in {"vocoder_only": True}, {"keep": 3}:
        made = system.reconstruct(torch.randn(1, RATE // 2) / 10, **options)
        assert made.dtype == torch.float32
    assert used == [True, True]


def test_budgets_are_those_of_the_clip(
    recipe, hparams, tiny_codec_folder, tiny_socodec_folder
):
    """A row may be a part of its file."""
    from budgets import plan_budgets
    from systems import GogoSystem

    listed = recipe.read_test_set(hparams)
    [key] = list(listed)[:1]
    row = {**listed[key], "samples": (1000, 1000 + RATE // 4)}
    codec = GogoSystem(tiny_codec_folder).codec
    codec.mods["allocator"] = TokenAllocator(32, 3, 10, 32, 1, 2, 64).eval()
    names = ["allocator", "oracle"]
    plans = plan_budgets(codec, {key: row}, names, num_steps=1)
    assert [plans[name][key].shape for name in names] == [(1, 2)] * 2
    sibling = GogoSystem(tiny_socodec_folder, budgets=["oracle"])
    with pytest.raises(ValueError, match="no token allocator"):
        sibling.rows(listed)


def test_budget_plans_have_equal_token_counts(recipe):
    """Even budgets differ by one at most; the best ones have the least distance."""
    from budgets import best_budgets, even_budgets

    spent = torch.tensor([3, 10, 4, 4])
    even = even_budgets(spent)
    assert even.sum() == spent.sum() and set(even.tolist()) == {5, 6}

    # Each token saves less than the one before, everywhere less or more.
    saves = torch.tensor([8.0, 1.0, 4.0, 0.5])[:, None] * 0.6 ** torch.arange(8)
    distances = 50 - saves.cumsum(1)
    allocator = TokenAllocator(16, 3, 10, 32, 1, 2, 64)
    best = best_budgets(distances, spent, allocator)
    assert best.sum() == spent.sum()
    every = torch.cartesian_prod(*[torch.arange(8)] * 4)
    every = every[every.sum(1) == spent.sum() - 4 * 3]
    sums = distances[torch.arange(4), every].sum(1)
    assert torch.equal(every[sums.argmin()] + 3, best)


def test_ground_truth_is_compared_with_the_papers(recipe, hparams):
    """Its values are compared with the paper's; word errors by each normalization."""

    class Heard(Difference):
        judge, columns = "a recogniser", ("difference", "hypothesis")
        figures = (Figure("STOI", "difference"),)
        normalizer = "words"

        def __init__(self, stoi):
            super().__init__()
            self.stoi = stoi

        def measure(self, predict, target, transcript=None):
            return {"difference": self.stoi, "hypothesis": "HELLO YOU"}

    table = Path(hparams["output_folder"]) / "table.md"
    yaml, name = RECIPE / "hparams" / "paper.yaml", "table1/published.csv"
    hparams["published"] = recipe.read_published(yaml, name)
    hparams["ground_truth_tolerance"] = 0.01
    recipe.evaluate([NoisyCodec()], [Heard(0.995)], hparams)
    text = table.read_text()
    assert "STOI 0.99 (1.00); the same within 1 %" in text
    assert "words 100.00 %, deleted 100.00 %" in text
    assert "| Gogo | 47 | 47 | 1 | 4.19 |" in text
    report = sys.modules[recipe.write_reports.__module__]
    [note] = report.compare_ground_truth({"MCD": 1.0}, {"STOI": "1.00"}, 0.01)
    assert note == "None of the figures here is in the paper's table."
    hparams["output_folder"] += "_other"
    # Words for "words", but not for Whisper's normalization.
    manifest = Path(hparams["test_csv"])
    manifest.write_text(manifest.read_text().replace("hello", "(hello)", 1))
    recipe.evaluate([NoisyCodec()], [Heard(0.9)], hparams)
    text = (Path(hparams["output_folder"]) / "table.md").read_text()
    assert "differs in STOI: **this is not the paper's evaluation**" in text
    assert "whisper " in text
    manifest.write_text(manifest.read_text().replace("(hello)", "...", 1))
    with pytest.raises(ValueError, match="utt.: its transcript '...' has no"):
        recipe.evaluate([NoisyCodec()], [Heard(0.9)], hparams)


def test_yaml_runs_with_its_judges(recipe, hparams, monkeypatch):
    """The YAML builds the systems and those judges that are asked for."""
    import systems

    monkeypatch.setattr(systems, "GogoSystem", NoisyYamlCodec)
    made = Path(hparams["data_folder"]) / "made"
    made.mkdir()
    for n in range(3):
        tone = Path(hparams["data_folder"]) / f"{n}.wav"
        (made / f"utt{n}.wav").write_bytes(tone.read_bytes())
    names = ["test_csv", "data_folder", "output_folder"]
    line = [str(RECIPE / "hparams" / "offline.yaml")]
    line += [f"--{name}={hparams[name]}" for name in names]
    line += ["--metrics=[stoi]", "--keeps=[1, 10]", "--num_workers=0"]
    line += ["--max_utterances=1", "--vocoder_row=False"]
    line += [f"--baselines={{wavtokenizer: {{folder: {made}}}}}"]
    recipe.main([*line, "--systems=[gogo, wavtokenizer]"])
    rows = read_rows(hparams)
    assert [r["system"] for r in rows] == [
        "original",
        "noisy, keep 1",
        "noisy, keep 10",
        "WavTokenizer, 1 codebook",
    ]
    assert set(rows[0]) == {"ID", "system", "stoi", "unscored"}
    with pytest.raises(ValueError, match="No systems {'no such'}: .*'encodec'"):
        recipe.main([*line, "--systems=[no such]"])


def test_figures_have_folders_of_their_own(recipe):
    """They have other judges than Table 1, which a folder cannot mix."""
    hparams = RECIPE / "hparams"
    line = [str(hparams / "offline.yaml"), "--test_csv=a", "--data_folder=b"]
    found = [recipe.parse_arguments(line).load()["output_folder"]]
    names = "opq", "rq", "swnd", "no_swnd", "one", "socodec", "cofi"
    sources = ", ".join(f"{name}: {{source: c}}" for name in names)
    for path in sorted(hparams.glob("*/*.yaml")):
        if path.parent.name == "table1":
            continue
        settings = recipe.parse_arguments(
            [*line, f"--ablation={path}", f"--baselines={{{sources}}}"]
        )
        found.append(settings.load()["output_folder"])
    assert len(set(found)) == len(found) == 4


class NoisyYamlCodec(NoisyCodec):
    """Takes what the YAML gives to GogoSystem."""

    def __init__(self, source, run_opts, keeps, vocoder_row, **settings):
        super().__init__(source, keeps=keeps)
        assert vocoder_row is False
