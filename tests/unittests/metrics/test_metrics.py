"""Metrics against known identities, independent values and real speech."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

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
    workers,
)
from speechbrain_gogo.metrics.panel import judge_utterances
from speechbrain_gogo.metrics.recognition.transcripts import (
    NORMALIZERS,
    count_errors,
)
from speechbrain_gogo.metrics.reports.bootstrap import (
    bootstrap_interval,
    figure_interval,
    paired_difference,
)
from speechbrain_gogo.metrics.signals import at_rate
from speechbrain_gogo.metrics.speech_metric import Figure


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
def test_original_scores_the_top_and_noise_less(clip, make, top):
    """The scale's end for the original, clearly less in noise."""
    metric, (wav, noisy) = make(), clip
    column = metric.columns[0]
    assert metric.measure(wav, wav)[column] == pytest.approx(top, abs=2e-3)
    assert metric.measure(noisy, wav)[column] < top - 0.05


@pytest.mark.parametrize(
    "make", [STOI, lambda: PESQ("wb"), lambda: PESQ("nb"), SpeakerSimilarity]
)
def test_no_number_where_a_judge_has_none(clip, make):
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


def test_every_judge_hears_nothing_and_a_moment(clip):
    """None fails, and none hangs."""
    judges = [DNSMOS(["p808_mos"]), WordErrors()]
    for wav in (clip[0][:0], clip[0][:7], torch.zeros(24000), clip[0][:2400]):
        found = [judge.measure(wav, wav, EXAMPLE_TEXT) for judge in judges]
        assert math.isnan(found[0]["p808_mos"]) == (len(wav) == 0)
        assert found[1]["word_errors"] >= 13 and found[1]["words"] == 14


def test_dnsmos_equals_speechmos(clip):
    """One thread and left-out heads change nothing; noise is disliked."""
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


def test_word_errors_have_no_memory(clip, listener):
    """What was heard before, be it loud or soft, changes nothing."""
    metric = listener
    wav, noisy = (signal[: 24000 * 3] for signal in clip)
    draws = torch.Generator().manual_seed(0)
    loud, soft = 0.3 * torch.randn(12000, generator=draws), 0.03 * wav[:36000]
    [fresh] = WordErrors(decoder_options=listener.decoder_options).recognize(
        [noisy]
    )
    for before in (loud, soft):
        assert metric.recognize([before, noisy])[1] == fresh != ""


def test_word_errors_corpus_and_mean(monkeypatch):
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


def test_normalizations_differ():
    """What counts as an error is the normaliser's choice."""
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
        ValueError, match="there are characters, words, deleted"
    ):
        count_errors(said, heard, "no such")


def test_metric_stats_ignore_padding():
    """A padded batch scores what its utterances score alone."""
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
    """The interval of a normal sample's mean is the textbook's."""
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


def test_networks_judge_in_batches():
    """They get as many as there is room for; rows hold both kinds' columns."""

    class Loudest:
        sizes = []

        def measure_batch(self, predicts, targets, transcripts):
            self.sizes.append(len(predicts))
            return [{"loudest": float(max(p))} for p in predicts]

    class Words:
        def measure(self, predict, target, transcript):
            return {"words": len(transcript.split())}

    cases = [(k, np.full(4, k), np.zeros(4), "a " * k) for k in range(1, 6)]
    rows = dict(judge_utterances([Loudest(), Words()], cases, batch_size=2))
    assert Loudest.sizes == [2, 2, 1]
    assert rows == {k: {"loudest": k, "words": k} for k in range(1, 6)}
    Loudest.columns = ("loudest",)
    cases[2] = (3, [], [], "a")
    rows = dict(judge_utterances([Loudest()], cases, batch_size=2))
    assert "Loudest: ValueError" in rows.pop(3).pop("unscored")
    assert rows == {k: {"loudest": k} for k in (1, 2, 4, 5)}


def test_worker_process_judges_like_this_one():
    """Another process gives the same rows, whatever the order."""
    wav = np.random.default_rng(0).normal(size=24000).astype("f") / 10
    cases = [(k, wav, wav + k * wav[::-1], "hm") for k in (0.1, 0.2, 0.3)]
    here = dict(judge_utterances([STOI()], cases))
    there = dict(judge_utterances([STOI()], cases, num_workers=1))
    assert there == here
    assert here[0.1]["stoi"] > here[0.3]["stoi"]


class Fake:
    """Does to its process what the transcript says."""

    columns = ("length",)
    sample_rate = 24000

    def measure(self, predict, target, transcript):
        acts = {
            "exit": lambda: os._exit(3),
            "leave": lambda: sys.exit("bye"),
            "raise": lambda: {}["nothing"],
            "hang": lambda: time.sleep(1000),
            "none": lambda: {"length": math.nan},
        }
        act = acts.get(transcript, lambda: {"length": len(predict)})
        return act()


def test_an_evaluation_survives_its_judges(monkeypatch):
    """What failed is told; the other judges, and utterances, have scores."""
    monkeypatch.setattr(workers, "START", 3.0)
    wav = np.random.default_rng(0).normal(size=24000).astype("f") / 10
    words = "one", "leave", "raise", "none", "exit", "two", "hang"
    cases = [(word, wav, wav, word) for word in (*words, "three")]
    judges = [Fake(), STOI()]
    rows = dict(judge_utterances(judges, cases, patience=2.0))
    assert all(row["stoi"] == pytest.approx(1.0) for row in rows.values())
    told = {k: row["unscored"] for k, row in rows.items() if "unscored" in row}
    assert told == {
        "exit": "Fake: it ended its process (3)",
        "leave": "Fake: SystemExit: bye",
        "raise": "Fake: KeyError: 'nothing'",
        "hang": "Fake: it took more than 2 s per second",
        "none": "Fake: no score",
    }
    for word, row in rows.items():
        found = row["length"]
        assert math.isnan(found) if word in told else found == 24000
    figure = Figure("length", "length")
    listed = list(rows.values())
    assert figure_interval(figure, listed)[0] == 24000
    assert paired_difference(figure, listed, listed)[0] == 0
    assert math.isnan(figure_interval(figure, [rows["exit"]])[0])


OWNER = """
import multiprocessing, time
import numpy as np
from speechbrain_gogo.metrics import STOI
from speechbrain_gogo.metrics.panel import judge_utterances
wav = np.random.default_rng(0).normal(size=24000).astype("f")
for _ in judge_utterances([STOI()], [(0, wav, wav, "hm")], num_workers=1):
    [worker] = multiprocessing.active_children()
    print(worker.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Looks into /proc.")
def test_workers_leave_when_their_owner_is_killed():
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        worker = Path("/proc", owner.stdout.readline().strip())
        assert worker.name.isdigit() and worker.is_dir()
        owner.kill()
    for _ in range(100):
        # One that nobody has waited for yet is over, too.
        if not worker.is_dir() or " Z " in (worker / "stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"{worker.name} is still there.")


def test_mel_cepstral_distortion():
    """By the definition, on cepstra that the package computes."""
    from mel_cepstral_distance import get_amplitude_spectrogram  # noqa: F401

    from speechbrain_gogo.metrics import MelCepstralDistortion

    generator = torch.Generator().manual_seed(0)
    wav = 0.1 * torch.randn(2 * 24000, generator=generator)
    tone = 0.3 * torch.sin(torch.arange(2 * 24000) * 0.06)
    metric = MelCepstralDistortion()
    louder = metric.measure(0.5 * wav, wav)["mcd"]
    other = metric.measure(wav + 0.5 * tone, wav)["mcd"]
    assert louder < 1e-3 < 1.0 < other
    assert math.isnan(metric.measure(0 * wav, wav)["mcd"])
