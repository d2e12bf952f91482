"""Table 5 and Figure 5 of the Gogo paper, from the probes' errors.

Losses are mean squared errors in the units of the features; the picture shows them
relative to the largest loss of each feature, as the paper does. In addition to the
paper, there is the loss of the mean of the training clips: only a lower loss shows
that tokens contain information on a feature.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from speechbrain_gogo.metrics.reports.bootstrap import bootstrap_interval
from speechbrain_gogo.metrics.reports.tables import markdown_table


def summarize(errors, features, blind_errors, seed):
    """Losses of every position and feature, a row each.

    Errors are [S, M, P, F] for every seed of the probes, [M, F] for the
    training clips' mean; NaN where a feature is not defined. ``features`` maps
    names to kinds, in order. A row has kind, feature, position (from 1), mse,
    its 95 % interval (low, high), the deviation over the seeds, blind_mse,
    utterances.
    """
    rows = []
    for place, (name, kind) in enumerate(features.items()):
        known = ~np.isnan(blind_errors[:, place])
        found = errors[:, known, :, place]  # [S, M, P]
        blind = float(blind_errors[known, place].mean())
        for position in range(found.shape[2]):
            measured = found[:, :, position]
            mse, low, high = bootstrap_interval(measured.mean(0), seed=seed)
            rows.append(
                {
                    "kind": kind,
                    "feature": name,
                    "position": position + 1,
                    "mse": mse,
                    "low": low,
                    "high": high,
                    "seed_deviation": float(measured.mean(1).std()),
                    "blind_mse": blind,
                    "utterances": int(known.sum()),
                }
            )
    return rows


def losses(rows):
    """The losses as a matrix [F, P], with those of the mean [F]."""
    names = list(dict.fromkeys(row["feature"] for row in rows))
    matrix = [[r["mse"] for r in rows if r["feature"] == n] for n in names]
    blind = {row["feature"]: row["blind_mse"] for row in rows}
    return np.array(matrix), np.array([blind[name] for name in names])


def write_table(path, rows, num_coarse, notes):
    """Write Table 5 and a summary by kind of features as Markdown.

    Gives the text. ``num_coarse`` coarsest tokens are compared with as many
    finest ones: b, the size of the backbone.
    """
    mse, blind = losses(rows)  # [F, P], [F]
    kinds = {row["feature"]: row["kind"] for row in rows}
    numbers = [str(p) for p in range(1, mse.shape[1] + 1)]
    lines = ["Mean squared error by token position, 1 the coarsest", ""]
    table = []
    for name, values, level in zip(kinds, mse, blind):
        cells = [f"{value:.4g}" for value in values]
        cells[values.argmin()] = f"**{cells[values.argmin()]}**"
        best, trend = str(values.argmin() + 1), f"{_trend(values):+.2f}"
        table.append([name, kinds[name], *cells, f"{level:.4g}", best, trend])
    head = ["feature", "", *numbers, "mean", "best", "trend"]
    lines += [
        markdown_table(head, table),
        "mean: loss of a probe that always says the mean of the training clips. "
        "trend: rank correlation of loss and position; positive where coarse "
        "tokens know the feature better, negative where fine ones do.",
        "",
        "Loss over that of the mean, averaged over the features of a kind",
        "",
    ]
    ratios = mse / np.where(blind > 0, blind, 1)[:, None]
    table, verdicts = [], []
    for kind in dict.fromkeys(kinds.values()):
        mine = np.array([kinds[name] == kind for name in kinds])
        values = ratios[mine].mean(0)
        cells = [f"{value:.3f}" for value in values]
        best, trend = str(values.argmin() + 1), f"{_trend(values):+.2f}"
        table.append([kind, *cells, best, trend])
        verdicts.append(_verdict(kind, ratios[mine], num_coarse))
    lines.append(markdown_table(["kind", *numbers, "best", "trend"], table))
    lines += [f"- {line}" for line in [*verdicts, *notes]]
    text = "\n".join(lines) + "\n"
    Path(path).write_text(text)
    return text


def _verdict(kind, ratios, num_coarse):
    """A sentence on the positions with the lowest losses, of [F, P]."""
    ends = ratios[:, :num_coarse], ratios[:, -num_coarse:]
    coarse, fine = (end.mean(1) for end in ends)
    last = ratios.shape[1]
    return (
        f"{kind}: {int((coarse < fine).sum())} of {len(ratios)} features are "
        f"known better to tokens 1 to {num_coarse} than to tokens "
        f"{last - num_coarse + 1} to {last} (loss over that of the mean "
        f"{coarse.mean():.3f} and {fine.mean():.3f})."
    )


def _trend(values):
    """Spearman's correlation of values with their positions; 0 if constant."""
    if np.ptp(values) == 0:
        return 0.0
    return float(spearmanr(range(len(values)), values).statistic)


def plot_heatmap(path, rows):
    """Draw losses relative to the largest of each feature (Figure 5)."""
    mse, _ = losses(rows)
    kinds = {row["feature"]: row["kind"] for row in rows}
    largest = mse.max(1, keepdims=True)
    relative = mse / np.where(largest > 0, largest, 1)
    figure = Figure(figsize=(9, 0.4 * len(mse) + 1.2))
    axis = figure.subplots()
    image = axis.imshow(relative, aspect="auto", cmap="viridis")
    middle = (relative.min() + relative.max()) / 2
    for (row, column), value in np.ndenumerate(relative):
        colour = "black" if value > middle else "white"
        axis.text(
            column,
            row,
            f"{value:.2f}",
            color=colour,
            ha="center",
            va="center",
            fontsize=8,
        )
    listed = list(kinds.values())
    starts = [n for n in range(1, len(mse)) if listed[n] != listed[n - 1]]
    for start in starts:
        axis.axhline(start - 0.5, color="white", linewidth=2)
    axis.set_yticks(range(len(mse)), [f"{n} ({kinds[n][0]})" for n in kinds])
    axis.set_xticks(range(mse.shape[1]), range(1, mse.shape[1] + 1))
    axis.set_xlabel("token of the group, coarse to fine")
    initials = ", ".join(f"{k[0]}: {k}" for k in dict.fromkeys(listed))
    axis.set_title(f"{initials}; dark: known well", fontsize=10)
    figure.colorbar(image, label="loss over the feature's largest")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
