"""The probing recipe: features of known sounds and texts, probes, reports."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("parselmouth", reason="needs praat-parselmouth")
pytest.importorskip("textblob", reason="needs textblob")

RECIPE = Path(__file__).resolve().parents[3] / "recipes/LibriTTS/probing"
RATE = 24000


@pytest.fixture(autouse=True)
def recipe(monkeypatch):
    """The recipe's modules can be imported, in this test only."""
    names = [path.stem for path in RECIPE.glob("*.py")]
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(RECIPE))
    yield
    for name in names:
        sys.modules.pop(name, None)


def measure(wav, text="one two"):
    from features import FeatureExtractor

    return FeatureExtractor(RATE)(wav.astype(np.float32), text)


def test_features_of_a_tone():
    """A sine has one frequency, which is its pitch and its centroid."""
    time = np.arange(2 * RATE) / RATE
    found = measure(0.5 * np.sin(2 * np.pi * 240 * time), "a b c d e")
    assert found["pitch"] == pytest.approx(240, rel=0.002)
    assert found["zero-crossing rate"] == pytest.approx(2 * 240 / RATE, rel=0.1)
    assert found["spectral centroid"] == pytest.approx(240 / 12000, rel=0.05)
    assert found["energy entropy"] == pytest.approx(np.log2(10), rel=0.01)
    assert found["jitter"] < 1e-3 and found["shimmer"] < 1e-3
    assert found["duration"] == pytest.approx(2)
    assert found["speaking rate"] == pytest.approx(5 / 2)


def test_features_of_noise_and_a_click():
    """White noise lies in the middle of the band and is not voiced."""
    from acoustic import energy_entropy

    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    found = measure(noise)
    assert found["zero-crossing rate"] == pytest.approx(0.5, rel=0.02)
    assert found["spectral centroid"] == pytest.approx(0.5, rel=0.02)
    assert found["voiced-to-unvoiced ratio"] < 0.1
    silent = measure(np.zeros(RATE))
    assert np.isnan([silent["pitch"], silent["jitter"]]).all()
    frames = np.zeros((1000, 2))
    frames[5, 0] = 1  # all energy in one of ten parts
    frames[[5, 305, 605, 905], 1] = -1  # evenly in four
    assert energy_entropy(frames) == pytest.approx([0, 2])


def pulses(periods, amplitudes):
    """Pulses of the shape of a Hann window at sums of the periods."""
    times = 0.02 + np.cumsum(periods)
    time = np.arange(round((times[-1] + 0.02) * RATE)) / RATE
    offsets = (time[:, None] - times) / 0.002
    shapes = np.where(abs(offsets) < 0.5, np.cos(np.pi * offsets) ** 2, 0)
    return shapes @ amplitudes


def test_jitter_and_shimmer_of_alternating_pulses():
    """Neighbours differ by a known share of the mean period and amplitude."""
    turns = np.array([1, -1] * 75)
    jitter, shimmer = 0.01, 0.1  # |T_i - T_i+1| is twice the deviation
    periods = 0.01 * (1 + jitter / 2 * turns)
    amplitudes = 0.5 * (1 + shimmer / 2 * turns)
    found = measure(pulses(periods, amplitudes))
    assert found["jitter"] == pytest.approx(jitter, rel=0.1)
    assert found["shimmer"] == pytest.approx(shimmer, rel=0.1)
    assert found["pitch"] == pytest.approx(100, rel=0.01)


def test_voiced_to_unvoiced_ratio():
    """Two seconds of voice to one of silence; only voice has no ratio."""
    voice = pulses(np.full(200, 0.01), np.full(200, 0.5))
    found = measure(np.concatenate([voice, np.zeros(RATE)]))
    assert found["voiced-to-unvoiced ratio"] == pytest.approx(2, rel=0.1)
    assert found["pitch"] == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("change", [str, str.upper])
def test_linguistic_features(change):
    """Counted by hand, in any case."""
    from linguistic import linguistic_features

    text = (
        "She quickly opened the old red door, and they didn't know whether "
        "the tall man or his dog was in the house."
    )
    assert linguistic_features(change(text)) == {
        "unique words": 20,  # "the" three times
        "tense": 1,  # opened
        "adjectives": 3,
        "adverbs": 2,  # quickly, n't
        "nouns": 4,
        "verbs": 4,  # opened, did, know, was
        "pronouns": 3,
        "conjunctions": 2,
    }
    assert linguistic_features("He knows it. She went.")["tense"] == 0
    assert np.isnan(linguistic_features("A house!")["tense"])


def tiny_probes(seed=0, **sizes):
    from probes import PositionProbes

    torch.manual_seed(seed)
    return PositionProbes(3, 2, 4, **{"hidden": [16, 8], **sizes})


def test_every_probe_is_a_network_of_its_own():
    """One of them, layer by layer; and no gradient crosses over."""
    probes = tiny_probes().eval()
    inputs = torch.randn(5, 3, 4)
    assert (probes(inputs) == 0).all()  # the mean, at first
    nn.init.normal_(probes.weights[-1])
    nn.init.normal_(probes.biases[-1])
    layers = []
    for weight, bias in zip(probes.weights, probes.biases):
        linear = nn.Linear(*weight.shape[2:])
        linear.weight.data = weight[1, 0].T
        linear.bias.data = bias[1, 0, 0]
        layers += [linear, nn.ReLU()]
    alone = nn.Sequential(*layers[:-1])
    found = probes(inputs)
    torch.testing.assert_close(found[:, 1, 0], alone(inputs[:, 1])[:, 0])
    found[:, 1, 0].square().sum().backward()
    for weight in probes.weights:
        touched = weight.grad.flatten(2).abs().sum(2) > 0
        assert touched.nonzero().tolist() == [[1, 0]]


def fit(probes, train, valid, num_steps=200, **changes):
    from probes import fit_probes

    settings = {
        "batch_size": 32,
        "valid_interval": 10,
        "patience": 5,
        "seed": 0,
    }
    return fit_probes(
        probes,
        train,
        valid,
        lambda weights: torch.optim.AdamW(weights, lr=0.01),
        num_steps=num_steps,
        **{**settings, **changes},
    )


def test_probes_find_where_a_feature_is():
    """Position 2 tells the first feature, no position the second."""
    from probes import score_probes

    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(600, 3, 4, generator=generator)
    targets = torch.randn(600, 2, generator=generator)
    targets[:, 0] = inputs[:, 2, 0] * inputs[:, 2, 1]
    targets[::3, 0] = torch.nan  # not everywhere known
    train, valid, test = zip(inputs.split(200), targets.split(200))
    probes = tiny_probes(dropout=0.0)
    best = fit(probes, train, valid)
    losses = score_probes(probes, *test, 64).nanmean(0)
    blind = test[1].square().nanmean(0)
    assert losses[2, 0] < 0.3 * blind[0]
    assert (losses[:2, 0] > 0.9 * blind[0]).all()
    assert (losses[:, 1] > 0.9 * blind[1]).all()
    # What is kept is what was best on the validation clips.
    again = score_probes(probes, *valid, 64).nanmean(0)
    torch.testing.assert_close(again, best)


def test_each_probe_stops_by_itself(monkeypatch):
    """Later improvements of a probe that lost its patience do not count."""
    import probes as module

    losses = torch.tensor([[5.0, 3, 4, 1, 1], [5, 3, 2, 1, 5]])  # of two
    script = iter(losses.T.tolist())
    kept = []

    def scripted(probes, *_):
        kept.append([weight.clone() for weight in probes.weights])
        first, second = next(script)
        found = torch.full((3, 2), second)
        found[0, 0] = first
        return found.unsqueeze(0)

    monkeypatch.setattr(module, "score_probes", scripted)
    probes, data = tiny_probes(), (torch.randn(64, 3, 4), torch.randn(64, 2))
    best = fit(probes, data, data, valid_interval=2, patience=1)
    assert best[0, 0] == 3 and (best.flatten()[1:] == 1).all()
    assert len(kept) == 5  # the last of them was no better
    for weight, first, third in zip(probes.weights, kept[1], kept[3]):
        assert torch.equal(weight[0, 0], first[0, 0])
        assert torch.equal(weight[1:], third[1:])


def test_features_are_measured_once(tmp_path):
    """A killed run keeps what was measured; other settings start anew."""
    import soundfile
    from clips import measure_clips
    from features import NAMES

    class Counting:
        sample_rate, settings, calls = RATE, {"frame": 1}, 0

        def __call__(self, wav, text):
            if text == "kill" and self.calls == 1:
                raise KeyboardInterrupt
            self.calls += 1
            return dict.fromkeys(NAMES, float(len(wav))) | {"tense": np.nan}

    path = tmp_path / "clip.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    clips = [("a/b", path, "go"), ("c", path, "kill")]
    first, second = Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        measure_clips(first, clips, tmp_path / "out")
    values = measure_clips(second, clips, tmp_path / "out")
    assert (first.calls, second.calls) == (1, 1)
    assert values.shape == (2, 17) and (values[:, 0] == RATE).all()
    assert values[:, NAMES.index("tense")].isnan().all()
    second.settings = {"frame": 2}
    measure_clips(second, clips[:1], tmp_path / "out")
    assert second.calls == 2


def test_clips_are_drawn_from_the_whole_manifest(tmp_path):
    """As many as asked for, in their order, the same for a seed."""
    from clips import draw_clips

    lines = ["ID,wrd", *(f"{n},words" for n in range(100))]
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    drawn = []
    for seed in (0, 0, 1):
        draw_clips(tmp_path / "all.csv", tmp_path / "some.csv", 10, seed)
        head, *rows = (tmp_path / "some.csv").read_text().splitlines()
        ids = [int(row.split(",")[0]) for row in rows]
        assert head == "ID,wrd" and len(ids) == 10 and ids == sorted(ids)
        drawn.append(ids)
    assert drawn[0] == drawn[1] != drawn[2] and max(drawn[0]) > 50


def test_table_says_which_tokens_know_what(tmp_path, real_plots):
    """Losses of known errors, and the verdicts that follow from them."""
    from report import plot_heatmap, summarize, write_table

    positions = np.arange(1.0, 11.0)
    errors = np.ones((2, 4, 10, 2)) * positions[:, None]  # [S, M, P, F]
    errors[..., 1] = 11 - positions
    errors[:, 0, :, 1] = np.nan  # not defined for one clip
    blind = np.full((4, 2), 20.0)
    blind[0, 1] = np.nan
    features = {"nouns": "linguistic", "pitch": "acoustic"}
    rows = summarize(errors, features, blind, seed=0)
    assert [r["mse"] for r in rows[:10]] == pytest.approx(positions)
    assert [r["mse"] for r in rows[10:]] == pytest.approx(11 - positions)
    assert (rows[0]["utterances"], rows[10]["utterances"]) == (4, 3)
    text = write_table(tmp_path / "table.md", rows, 3, ["A note."])
    assert "| nouns | linguistic | **1** | 2 |" in text
    assert "| **1** | 20 | 10 | -1.00 |" in text
    assert "linguistic: 1 of 1 features are known better to tokens 1" in text
    assert "acoustic: 0 of 1 features" in text and "- A note." in text
    plot_heatmap(tmp_path / "heatmap.png", rows)
    assert (tmp_path / "heatmap.png").stat().st_size > 1000


def test_kept_tokens(tmp_path):
    """Means and ratios of sums at each number of tokens, whatever the codec."""
    from kept_tokens import read_results, write_kept

    path = tmp_path / "results.csv"
    path.write_text(
        "ID,system,word_errors,words,stoi\n"
        'a,original,0,4,1\na,"mini, keep 1",3,4,0.2\nb,"mini, keep 1",1,12,0.4\n'
        'a,"mini, keep 10",1,4,0.8\nb,"mini, keep 10",1,12,0.6\n'
    )
    figures = {
        "WER": ["word_errors", "words"],
        "STOI": ["stoi"],
        "PESQ": ["pesq"],
    }
    values = read_results(path, figures)
    assert values["WER"] == pytest.approx({1: 0.25, 10: 0.125})
    assert values["STOI"] == pytest.approx({1: 0.3, 10: 0.7})
    assert "PESQ" not in values
    write_kept(tmp_path, values)
    assert "| STOI | 0.3 | 0.7 |" in (tmp_path / "kept_tokens.md").read_text()
    with pytest.raises(ValueError, match="results.csv of recipes"):
        read_results(path, {"PESQ": ["pesq"]})
    with open(path, "a") as file:
        file.write('a,"other, keep 1",1,4,0.2\n')
    with pytest.raises(ValueError, match=r"\['mini', 'other'\]"):
        read_results(path, figures)


def test_a_finished_seed_is_not_trained_again(
    tiny_corpus, tiny_codec_folder, tmp_path, monkeypatch
):
    """The whole recipe twice: the second time it only writes the reports."""
    import train

    arguments = [
        str(RECIPE / "hparams/train.yaml"),
        *("--skip_prep=True", "--device=cpu", "--num_workers=0"),
        f"--source={tiny_codec_folder}",
        f"--data_folder={tiny_corpus}",
        f"--train_csv={tiny_corpus}/train.csv",
        f"--valid_csv={tiny_corpus}/valid.csv",
        f"--test_csv={tiny_corpus}/valid.csv",
        f"--output_folder={tmp_path}",
        *("--hidden=[8, 4]", "--seeds=[0, 1]", "--max_clips=9"),
        "--fitting={num_steps: 4, valid_interval: 2}",
    ]
    train.main(arguments)
    table = (tmp_path / "table.csv").read_text()
    assert len(table.splitlines()) > 10 * 12  # 17 features, if all are defined
    report = (tmp_path / "table.md").read_text()
    assert "train: read 9 clips = used 9 + skipped 0 (none)." in report
    cached = next(tmp_path.glob("train/features/*/*.json"))
    assert json.loads(cached.read_text())["duration"] > 0

    def refuse(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(train, "fit_probes", refuse)
    train.main(arguments)
    assert (tmp_path / "table.csv").read_text() == table
