"""Probes of token positions: fitting, reports, and the whole recipe."""

import json

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from torch import nn

pytest.importorskip("parselmouth", reason="needs praat-parselmouth")


pytest.importorskip("textblob", reason="needs textblob")


def tiny_probes(seed=0, **sizes):
    from probes import PositionProbes

    torch.manual_seed(seed)
    return PositionProbes(3, 2, 4, **{"hidden": [16, 8], **sizes})


def test_probes_are_independent_networks():
    """One of them equals separate layers; gradients do not reach the others."""
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


def test_constant_features_are_not_magnified():
    """The mean of three times 0.1 is not 0.1."""
    from probes import Scale

    values = torch.tensor(
        [[0.1, 1], [0.1, 3], [0.1, torch.nan]], dtype=torch.float64
    )
    scale = Scale.of(values)
    assert scale.deviation.tolist() == [1, 1]
    found = scale.apply(torch.tensor([[0.2, 4.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.1, 2.0]]))


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


def test_probes_find_the_position_of_a_feature():
    """Position 2 determines the first feature, no position the second."""
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


def test_each_probe_has_its_own_early_stopping(monkeypatch):
    """Later improvements of a probe that has stopped do not count."""
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


def test_clips_are_sampled_from_the_whole_manifest(tmp_path, caplog):
    """A given number, in the order of the manifest, determined by the seed."""
    from clips import draw_clips

    lines = ["ID,wrd", *(f"{n},words" for n in range(100)), "100,a,b"]
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    drawn = []
    for seed in (0, 0, 1):
        draw_clips(tmp_path / "all.csv", tmp_path / "some.csv", 10, seed)
        head, *rows = (tmp_path / "some.csv").read_text().splitlines()
        ids = [int(row.split(",")[0]) for row in rows]
        assert head == "ID,wrd" and len(ids) == 10 and ids == sorted(ids)
        drawn.append(ids)
    assert drawn[0] == drawn[1] != drawn[2] and max(drawn[0]) > 50
    assert "1 of 101 rows are not well formed" in caplog.text


def test_report_of_probing_errors(tmp_path, real_plots):
    """Tables and conclusions of known errors."""
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


def test_figures_over_kept_tokens(tmp_path, monkeypatch):
    """Means, and ratios of sums, at each number of tokens."""
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
    values["DNSMOS"] = {1: float("nan"), 10: 2.0}  # no utterance had a score
    plot, lines = Axes.plot, {}

    def draw(axis, x, y, label, **style):
        lines[label] = y
        return plot(axis, x, y, label=label, **style)

    monkeypatch.setattr(Axes, "plot", draw)
    write_kept(tmp_path, values)
    assert lines["DNSMOS"][1] == 1 and lines["WER"] == [1, 0.5]
    assert "| STOI | 0.3 | 0.7 |" in (tmp_path / "kept_tokens.md").read_text()
    with pytest.raises(ValueError, match="results.csv of recipes"):
        read_results(path, {"PESQ": ["pesq"]})
    with open(path, "a") as file:
        file.write('a,"other, keep 1",1,4,0.2\n')
    with pytest.raises(ValueError, match=r"\['mini', 'other'\]"):
        read_results(path, figures)


def test_finished_seeds_are_not_trained_again(
    recipe, tiny_corpus, tiny_codec_folder, tmp_path, monkeypatch
):
    """The whole recipe twice: the second time it only writes the reports."""
    import train

    arguments = [
        str(recipe / "hparams/train.yaml"),
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
