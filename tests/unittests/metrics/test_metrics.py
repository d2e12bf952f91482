"""Metrics against known identities, independent values and real speech."""

import math
import sys

import numpy as np
import pytest
import torch

from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.inference.demo.run import EXAMPLE, EXAMPLE_TEXT
from speechbrain_gogo.metrics import (
    DNSMOS,
    PESQ,
    STOI,
    SpeakerSimilarity,
    WordErrors,
)
from speechbrain_gogo.metrics.recognition.transcripts import (
    NORMALIZERS,
    count_errors,
)
from speechbrain_gogo.metrics.reports.bootstrap import bootstrap_interval
from speechbrain_gogo.metrics.signals import at_rate


@pytest.fixture(scope="module")
def clip():
    """A real recording, 5.1 s, and the same in noise at 10 dB."""
    wav = read_audio(EXAMPLE, 24000)
    noise = torch.randn(len(wav), generator=torch.manual_seed(0))
    return wav, wav + 0.3 * wav.std() * noise


@pytest.mark.parametrize(
    "make, top",
    [
        (STOI, 1.0),
        (lambda: PESQ("wb"), 4.644),
        (lambda: PESQ("nb"), 4.549),
        (SpeakerSimilarity, 1.0),
    ],
    ids=["stoi", "pesq_wb", "pesq_nb", "similarity"],
)
def test_original_has_the_best_score(clip, make, top):
    """The best value for the original, clearly worse with noise."""
    metric, (wav, noisy) = make(), clip
    column = metric.columns[0]
    assert metric.measure(wav, wav)[column] == pytest.approx(top, abs=2e-3)
    assert metric.measure(noisy, wav)[column] < top - 0.05


@pytest.mark.parametrize(
    "make", [STOI, lambda: PESQ("wb"), lambda: PESQ("nb"), SpeakerSimilarity]
)
def test_scores_are_nan_without_speech(clip, make):
    """Silence, nothing, faint noise and a moment of speech have no score."""
    metric, wav = make(), clip[0]
    (column,) = metric.columns
    speech = wav[24000:48000]  # a second of it
    silent, moment = torch.zeros(24000), torch.zeros(24000)
    moment[:4800] = speech[:4800]
    faint = 1e-5 * torch.randn(24000, generator=torch.manual_seed(0))
    pairs = [(silent, silent), (speech, silent), (faint, faint)]
    pairs += [(moment[:4800], speech[:4800]), (silent[:0], silent[:0])]
    if not isinstance(metric, PESQ):  # it needs no more than an utterance
        pairs.append((moment, moment))
    if not isinstance(metric, STOI):  # nothing of it is intelligible
        pairs.append((silent, speech))
    for pair in pairs:
        assert math.isnan(metric.measure(*pair)[column])
    rows = torch.stack([speech, silent])
    metric.append(["a", "b"], predict=rows, target=rows)
    summary = metric.summarize()
    assert summary["unscored"] == 1 and summary["max_id"] == "a"
    alone = metric.measure(speech, speech)[column]
    assert metric.summarize("average") == pytest.approx(alone)
    metric.clear()
    metric.append(["b"], predict=rows[1:], target=rows[1:])
    assert math.isnan(metric.summarize("average"))


def test_quality_of_long_audio():
    """The library writes beyond its memory after 50 utterances."""
    generator, rate = torch.manual_seed(0), 8000
    word = 0.3 * torch.randn(rate // 2, generator=generator)
    words = torch.cat([word, torch.zeros(rate // 2)]).repeat(70)
    noisy = words + 0.01 * torch.randn(len(words), generator=generator)
    metric = PESQ("nb", rate)
    long = metric.measure(noisy, words)["pesq_nb"]
    alone = metric.measure(noisy[: 20 * rate], words[: 20 * rate])["pesq_nb"]
    assert long == pytest.approx(alone, abs=0.2)


def test_every_judge_accepts_silence_and_short_audio(clip):
    """None fails, and none hangs."""
    judges = [DNSMOS(["p808_mos"]), WordErrors()]
    for wav in (clip[0][:0], clip[0][:7], torch.zeros(24000), clip[0][:2400]):
        found = [judge.measure(wav, wav, EXAMPLE_TEXT) for judge in judges]
        assert math.isnan(found[0]["p808_mos"]) == (len(wav) == 0)
        assert found[1]["word_errors"] >= 13 and found[1]["words"] == 14


def test_dnsmos_equals_speechmos(clip):
    """Equal with one thread and fewer heads; noise lowers the scores."""
    from speechmos import dnsmos

    # Twice 4.6 s is one window of 9.01 s, the least it can look at.
    wav, noisy = (torch.cat([w, w])[: int(4.6 * 24000)] for w in clip)
    expected = dnsmos.run(at_rate(wav, 24000, 16000), 16000)
    every = DNSMOS().measure(wav)
    assert every == pytest.approx({k: expected[k] for k in every}, abs=1e-4)
    fast = DNSMOS(["p808_mos"])
    assert fast.measure(wav)["p808_mos"] == pytest.approx(every["p808_mos"])
    assert fast.measure(noisy)["p808_mos"] < every["p808_mos"]


@pytest.fixture(scope="module")
def listener():
    """A judge of words that follows fewer hypotheses: it is quick."""
    return WordErrors(decoder_options={"maxhmmpf": 1000})


def test_word_errors_of_a_recording(clip, listener):
    """Few errors on the original, more in noise."""
    metric, (wav, noisy) = listener, clip
    first = metric.measure(wav, None, EXAMPLE_TEXT)
    worse = metric.measure(noisy, None, EXAMPLE_TEXT)
    assert first["words"] == 14
    assert first["word_errors"] <= 3
    assert worse["word_errors"] > first["word_errors"]


def test_word_errors_do_not_depend_on_earlier_clips(clip, listener):
    """Earlier clips, loud or soft, have no influence."""
    metric = listener
    wav, noisy = (signal[: 24000 * 3] for signal in clip)
    draws = torch.Generator().manual_seed(0)
    loud, soft = 0.3 * torch.randn(12000, generator=draws), 0.03 * wav[:36000]
    [fresh] = WordErrors(decoder_options=listener.decoder_options).recognize(
        [noisy]
    )
    for before in (loud, soft):
        assert metric.recognize([before, noisy])[1] == fresh != ""


def test_word_errors_of_corpus_and_mean(monkeypatch):
    """1 error in 3 words and 2 in 1: 75 % of the corpus, 117 % on average."""
    metric = WordErrors()
    heard = ["the hat sat", "don't do it"]
    monkeypatch.setattr(metric, "recognize", lambda wavs: heard)
    metric.append(
        ["a", "b"], torch.zeros(2, 8), ["The CAT sat.", "\u2018Don’t!’"]
    )
    summary = metric.summarize()
    assert summary["WER"] == pytest.approx(75)
    assert summary["mean_WER"] == pytest.approx((100 / 3 + 200) / 2)
    assert (summary["insertions"], summary["substitutions"]) == (2, 1)


def test_nothing_measured_is_nan(tmp_path):
    """Of all metrics: a rate of no utterance is none, and can be written."""
    for metric, rates in (
        (WordErrors(), ("WER", "SER", "error_rate", "mean_WER")),
        (STOI(), ("average", "min_score", "max_score")),
    ):
        summary = metric.summarize()
        assert all(math.isnan(summary[rate]) for rate in rates)
        assert math.isnan(metric.summarize(rates[0]))
        with open(tmp_path / "stats.txt", "w") as file:
            metric.write_stats(file)
        assert "nan" in (tmp_path / "stats.txt").read_text()
    assert WordErrors().summarize("num_edits") == 0


def test_word_errors_by_normaliser():
    """Errors depend on the normaliser."""
    said, heard = (
        "Mr. O'Neil's twenty-two hens.",
        "MISTER O'NEIL'S TWENTY TWO HENS",
    )
    errors = {name: count_errors(said, heard, name) for name in NORMALIZERS}
    assert errors["words"] == (1, 5)  # Mr.
    assert errors["deleted"] == (3, 4)  # Mr., and one word against two
    assert errors["whisper"][0] == 0
    assert errors["verbatim"] == (4, 4)
    with pytest.raises(
        ValueError, match="Use one of characters, words, deleted"
    ):
        count_errors(said, heard, "no such")


def test_metric_stats_ignore_padding():
    """Scores of a padded batch equal those of its utterances."""
    wavs = torch.randn(2, 24000, generator=torch.manual_seed(0)) / 10
    noisy = wavs + 0.1 * wavs.roll(999, dims=1)
    noisy[1, 18000:] = 0.5
    metric = STOI()
    lengths = torch.tensor([1.0, 0.75])
    metric.append(["a", "b"], predict=noisy, target=wavs, lengths=lengths)
    alone = metric.score(noisy[1, :18000], wavs[1, :18000])
    assert metric.scores[1] == alone
    assert metric.summarize()["average"] == pytest.approx(
        sum(metric.scores) / 2
    )


def test_missing_backend_names_the_extra(monkeypatch):
    """Without its back end a metric says what to install."""
    monkeypatch.setitem(sys.modules, "pystoi", None)
    with pytest.raises(ImportError, match=r"speechbrain_gogo\[metrics\]"):
        STOI()


def test_bootstrap_interval_of_a_mean():
    """The interval of a normal sample's mean equals the analytical one."""
    values = np.random.default_rng(1).normal(5.0, 2.0, size=400)
    mean, low, high = bootstrap_interval(values)
    assert mean == pytest.approx(values.mean())
    width = 2 * 1.96 * values.std() / 20
    assert high - low == pytest.approx(width, rel=0.1)
    assert bootstrap_interval(values) == (mean, low, high)
    weights = np.linspace(1, 9, 400)
    ratio, low, high = bootstrap_interval(values, weights)
    assert ratio == pytest.approx(values.sum() / weights.sum())
    assert low < ratio < high
    with pytest.raises(ValueError, match="not finite"):
        bootstrap_interval([1.0, np.nan])
