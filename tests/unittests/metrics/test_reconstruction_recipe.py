"""Bookkeeping of the reconstruction recipe, with a codec that adds noise."""

import csv
import json
import math
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_gogo.lobes.allocator.policy import TokenAllocator
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric

RECIPE = Path(__file__).resolve().parents[3] / "recipes/LibriTTS/reconstruction"
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

    name, checkpoint, licence = "noisy", "noise", "CC0"
    sample_rate = RATE

    def __init__(self, weights="a", survives=99, keeps=(1, 4)):
        self.settings = {"weights": weights}
        self.left, self.calls, self.keeps = survives, 0, keeps

    def rows(self, utterances):
        return {f"keep {keep}": {"keep": keep} for keep in self.keeps}

    def rate(self, keep):
        from systems import Rate

        return Rate(5.0 * keep, 5.0, keep, 50.0 * keep)

    def reconstruct(self, wavs, keep):
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
        "sample_rate": RATE,
        "num_samples": 1,
        "bootstrap_seed": 0,
        "reference": None,
        "published": None,
        "num_workers": 0,
        "judge_batch_size": 1,
    }


def read_rows(hparams):
    with open(Path(hparams["output_folder"]) / "results.csv") as stream:
        return list(csv.DictReader(stream))


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


def test_differences_are_paired(recipe, hparams):
    """Utterances that differ make intervals wide, not those of differences."""

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
    hparams["reference"] = "noisy, keep 2"
    with pytest.raises(ValueError, match="'noisy, keep 2' is none of"):
        recipe.evaluate([NoisyCodec()], [Loudness()], hparams)


def test_an_option_of_each_utterance(recipe, hparams):
    """Utterances have budgets of their own; the audio comes as asked for."""

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


def test_gogo_has_rows_for_its_settings(recipe, hparams, tiny_codec_folder):
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
        recipe.evaluate([NoisyCodec(survives=3)], [Difference()], hparams)
    results = Path(hparams["output_folder"]) / "results.csv"
    whole = len(read_rows(hparams))
    assert 0 < whole < 9
    with open(results, "a") as stream:
        stream.write("utt1,keep 4,0.")  # the kill came here
    codec = NoisyCodec()
    resumed = recipe.evaluate([codec], [Difference()], hparams)
    assert codec.calls == 6 - 3
    assert len(read_rows(hparams)) == 9

    results.write_text("ID,sys")  # not even the head is whole
    assert recipe.evaluate([NoisyCodec()], [Difference()], hparams) == resumed
    hparams["output_folder"] += "_fresh"
    assert recipe.evaluate([NoisyCodec()], [Difference()], hparams) == resumed


def test_rows_of_another_codec_are_refused(recipe, hparams):
    """A retrained codec does not inherit the old one's rows."""
    recipe.evaluate([NoisyCodec("a")], [Difference()], hparams)
    with pytest.raises(ValueError, match="noisy: weights: a, now b"):
        recipe.evaluate([NoisyCodec("b")], [Difference()], hparams)


def test_rows_of_other_data_are_refused(recipe, hparams):
    """The same names: other audio, other words, another number of clips."""
    hparams["max_utterances"] = 1
    first, more = NoisyCodec(), NoisyCodec()
    recipe.evaluate([first], [Difference()], hparams)
    hparams["max_utterances"] = None
    recipe.evaluate([more], [Difference()], hparams)
    assert (first.calls, more.calls) == (2, 4)

    folder, manifest = Path(hparams["data_folder"]), Path(hparams["test_csv"])
    moved = folder / "moved"
    moved.mkdir()
    for n in range(3):
        (folder / f"{n}.wav").rename(moved / f"{n}.wav")
    hparams["data_folder"] = str(moved)
    recipe.evaluate([NoisyCodec(survives=0)], [Difference()], hparams)

    rows = manifest.read_text()
    swapped = rows.replace("/0.", "/x.").replace("/1.", "/0.")
    manifest.write_text(swapped.replace("/x.", "/1."))
    with pytest.raises(ValueError, match=r"data \(audio: \w+, now \w+\)\. Go"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)
    manifest.write_text(rows.replace("hello", "goodbye", 1))
    (moved / "1.wav").write_bytes((moved / "2.wav").read_bytes())
    with pytest.raises(ValueError, match=r"; transcripts: \w+, now \w+\)"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)
    settings = Path(hparams["output_folder"]) / "settings.json"
    known = json.loads(settings.read_text())
    del known["audio"], known["transcripts"]  # as before they were kept
    settings.write_text(json.dumps(known))
    with pytest.raises(ValueError, match="audio: not told, now"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)


def test_missing_file_fails_at_once(recipe, hparams):
    """No table over fewer utterances than the list has."""
    Path(hparams["data_folder"], "2.wav").unlink()
    codec = NoisyCodec()
    with pytest.raises(ValueError, match=r"1 of 3 audio files.*2\.wav"):
        recipe.evaluate([codec], [Difference()], hparams)
    assert codec.calls == 0
    hparams["expected_utterances"] = 4837
    with pytest.raises(ValueError, match="has 3 utterances"):
        recipe.evaluate([codec], [Difference()], hparams)
    with open(hparams["test_csv"], "a") as file:
        file.write("3,long,$data_root/3.wav,It costs $5.\n")
    with pytest.raises(ValueError, match="complete, but.*no duration: 1"):
        recipe.evaluate([codec], [Difference()], hparams)


def test_systems_join_later(recipe, hparams):
    """What is measured stays; only the new system's rows are made."""
    first, second = NoisyCodec(), NoisyCodec(keeps=[2])
    second.name = "other"
    recipe.evaluate([first], [Difference()], hparams)
    summary = recipe.evaluate([first, second], [Difference()], hparams)
    assert (first.calls, second.calls) == (6, 3)
    assert summary["other, keep 2", "difference"][0] == pytest.approx(0.5)
    recipe.evaluate([second], [Difference()], hparams)
    with pytest.raises(ValueError, match="noisy: weights: a, now b"):
        recipe.evaluate([NoisyCodec("b")], [Difference()], hparams)
    with pytest.raises(ValueError, match="one name"):
        recipe.evaluate([first, first], [Difference()], hparams)
    with pytest.raises(ValueError, match="columns of one name"):
        recipe.evaluate([first], [Difference(), Difference()], hparams)


def test_folders_of_other_codecs(recipe, hparams, tmp_path):
    """Their audio is judged as it is; one missing file and nothing is."""
    from systems import FolderSystem

    made = tmp_path / "made"
    made.mkdir()
    rate = {"tokens": 75, "frames": 75, "codebooks": 1, "bits": 900}
    system = FolderSystem(made, "Folder", "theirs", "MIT", **rate)
    for n in range(3):
        with pytest.raises(ValueError, match=rf"lacks {3 - n} of 3.*utt{n}"):
            recipe.evaluate([system], [Difference()], hparams)
        tone, _ = soundfile.read(str(tmp_path / f"{n}.wav"))
        soundfile.write(made / f"utt{n}.flac", tone[:-100] + 0.5, RATE)
    summary = recipe.evaluate([system], [Difference()], hparams)
    label = "Folder, 1 codebook"
    assert summary[label, "difference"][0] == pytest.approx(0.5, abs=1e-3)
    soundfile.write(made / "utt0.flac", tone[:-100], RATE)  # made again
    with pytest.raises(ValueError, match="Folder: audio: "):
        recipe.evaluate([system], [Difference()], hparams)


def test_ground_truth_decides_whose_evaluation_it_is(recipe, hparams):
    """Beside the paper's values; and word errors by each normalization."""

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


class NoisyYamlCodec(NoisyCodec):
    """Takes what the YAML gives to GogoSystem."""

    def __init__(self, source, run_opts, keeps, vocoder_row, **settings):
        super().__init__(source, keeps=keeps)
        assert vocoder_row is False
