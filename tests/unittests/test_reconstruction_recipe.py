"""Bookkeeping of the reconstruction recipe, with a codec that adds noise."""

import csv
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_gogo.lobes.allocator import TokenAllocator
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric

RECIPE = Path(__file__).resolve().parents[2] / "recipes/LibriTTS/reconstruction"
RATE = 24000


class Difference(SpeechMetric):
    """Mean absolute difference, cheap and exact."""

    columns, figures = ("difference",), (Figure("difference", "difference"),)
    judge = "difference of samples"

    def __init__(self):
        super().__init__(RATE)

    def measure(self, predict, target, transcript=None):
        return {"difference": float(abs(predict - target).mean())}


class NoisyCodec:
    """Adds 1 / keep to every sample; may be killed after some calls."""

    name, sample_rate, vocab_size = "noisy", RATE, 1024

    def __init__(self, weights="a", survives=99, run_opts=None):
        self.settings = {"weights": weights}
        self.left, self.calls = survives, 0

    def token_rate(self, keep):
        return 5.0 * keep

    def reconstruct(self, wavs, wav_lens, keep):
        if self.left == self.calls:
            raise KeyboardInterrupt
        self.calls += 1
        return wavs + 1 / keep


@pytest.fixture
def recipe(monkeypatch):
    """The recipe's evaluate module."""
    monkeypatch.syspath_prepend(str(RECIPE))
    import evaluate

    yield evaluate
    for path in RECIPE.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def hparams(tmp_path):
    """Settings for three short tones."""
    lines = ["ID,duration,wav,spk_id,wrd,sample_rate"]
    for n in range(3):
        tone = 0.1 * torch.sin(torch.arange(RATE // 2) * (n + 1) / 50)
        soundfile.write(str(tmp_path / f"{n}.wav"), tone.numpy(), RATE)
        lines.append(f"utt{n},0.5,$data_root/{n}.wav,me,hello,{RATE}")
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    return {
        "test_csv": str(tmp_path / "test.csv"),
        "data_folder": str(tmp_path),
        "output_folder": str(tmp_path / "out"),
        "expected_utterances": 3,
        "max_utterances": None,
        "keeps": [1, 4],
        "budgets": [],
        "target_rate": None,
        "budget_seed": 0,
        "vocoder_row": False,
        "num_samples": 1,
        "bootstrap_seed": 0,
        "num_workers": 0,
    }


def read_rows(hparams):
    with open(Path(hparams["output_folder"]) / "results.csv") as stream:
        return list(csv.DictReader(stream))


def test_every_row_and_report(recipe, hparams):
    """All utterances by all systems, and figures that follow from them."""
    summary = recipe.evaluate(NoisyCodec(), [Difference()], hparams)
    pairs = [(r["ID"], r["system"]) for r in read_rows(hparams)]
    assert len(set(pairs)) == len(pairs) == 9
    means = [summary[s, "difference"][0] for s in ("original", "keep 4")]
    assert means == pytest.approx([0, 0.25], abs=1e-6)
    folder = Path(hparams["output_folder"])
    table = (folder / "table.md").read_text()
    assert "Judge: difference of samples." in table
    assert "| keep 4 | 20 | 200 | 0.250 (0.250-0.250) |" in table
    assert (folder / "rate_quality.png").stat().st_size > 1000
    written = sorted(p.name for p in folder.glob("samples/*/*.wav"))
    assert written == ["keep_1.wav", "keep_4.wav", "original.wav"]
    assert (
        soundfile.info(str(folder / "samples/utt0/keep_1.wav")).duration == 0.5
    )


def test_rows_at_one_mean_rate(recipe, hparams):
    """Utterances have budgets of their own; the table has their mean."""

    class Allocating(NoisyCodec):
        def plan_budgets(self, utterances, names, target_rate, seed):
            assert (target_rate, seed) == (7.5, 0)
            budgets = torch.tensor([[1, 3], [1, 1], [3, 3]]).split(1)
            return {name: dict(zip(utterances, budgets)) for name in names}

        def token_rate(self, keep):
            return 5.0 * recipe.mean_budget(keep)

        def reconstruct(self, wavs, wav_lens, keep):
            return wavs + torch.as_tensor(keep).double().mean().float()

    changes = {"budgets": ["allocator"], "target_rate": 7.5}
    hparams.update(changes)
    summary = recipe.evaluate(Allocating(), [Difference()], hparams)
    values = [
        float(row["difference"])
        for row in read_rows(hparams)
        if row["system"] == "allocator"
    ]
    assert values == pytest.approx([2, 1, 3])
    assert summary["allocator", "difference"][0] == pytest.approx(2)
    table = (Path(hparams["output_folder"]) / "table.md").read_text()
    assert "| allocator | 10 | 100 | 2.000" in table
    hparams["budgets"] = ["uniform"]
    with pytest.raises(ValueError, match="budgets: .* now"):
        recipe.evaluate(Allocating(), [Difference()], hparams)


def test_plans_spend_the_same(recipe):
    """Even budgets differ by one; no other spending has less distance."""
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


def test_killed_evaluation_goes_on(recipe, hparams):
    """Rows on disk are used again, a half-written one is made again."""
    with pytest.raises(KeyboardInterrupt):
        recipe.evaluate(NoisyCodec(survives=3), [Difference()], hparams)
    results = Path(hparams["output_folder"]) / "results.csv"
    whole = len(read_rows(hparams))
    assert 0 < whole < 9
    with open(results, "a") as stream:
        stream.write("utt1,keep 4,0.")  # the kill came here
    codec = NoisyCodec()
    resumed = recipe.evaluate(codec, [Difference()], hparams)
    assert codec.calls == 6 - 3
    assert len(read_rows(hparams)) == 9

    hparams["output_folder"] += "_fresh"
    assert recipe.evaluate(NoisyCodec(), [Difference()], hparams) == resumed


def test_rows_of_another_codec_are_refused(recipe, hparams):
    """A retrained codec does not inherit the old one's rows."""
    recipe.evaluate(NoisyCodec("a"), [Difference()], hparams)
    with pytest.raises(ValueError, match="weights: a, now b"):
        recipe.evaluate(NoisyCodec("b"), [Difference()], hparams)


def test_missing_file_fails_at_once(recipe, hparams):
    """No table over fewer utterances than the list has."""
    Path(hparams["data_folder"], "2.wav").unlink()
    codec = NoisyCodec()
    with pytest.raises(ValueError, match=r"1 of 3 audio files.*2\.wav"):
        recipe.evaluate(codec, [Difference()], hparams)
    assert codec.calls == 0
    hparams["expected_utterances"] = 4837
    with pytest.raises(ValueError, match="has 3 utterances"):
        recipe.evaluate(codec, [Difference()], hparams)


def test_yaml_runs_with_its_judges(recipe, hparams, monkeypatch):
    """The YAML builds the system and those judges that are asked for."""
    import systems

    monkeypatch.setattr(systems, "GogoSystem", NoisyYamlCodec)
    names = ["test_csv", "data_folder", "output_folder"]
    paths = [f"--{name}={hparams[name]}" for name in names]
    recipe.main(
        [str(RECIPE / "hparams" / "offline.yaml"), *paths]
        + ["--metrics=[stoi]", "--keeps=[1, 10]", "--num_workers=0"]
        + ["--max_utterances=1", "--vocoder_row=False"]
    )
    rows = read_rows(hparams)
    assert [r["system"] for r in rows] == ["original", "keep 1", "keep 10"]
    assert set(rows[0]) == {"ID", "system", "stoi"}


class NoisyYamlCodec(NoisyCodec):
    """Takes what the YAML gives to GogoSystem."""

    def __init__(self, source, num_steps, guidance_scale, seed, run_opts):
        super().__init__(weights=source)
