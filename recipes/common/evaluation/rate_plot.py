"""Plot of an evaluation: figures over the token rate."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def plot_rates(path, rows, rates, summary, figures):
    """Draw each figure over tokens per second, a curve per system.

    Allocated budgets are single marks; systems without a rate, such as the
    original, are horizontal lines.
    """
    curves, marks, levels = {}, {}, []
    for label, row in rows.items():
        if rates[label] is None:
            levels.append(label)
        elif isinstance(row.options.get("keep"), dict):
            marks[label] = rates[label].tokens
        else:
            curve = curves.setdefault(row.system.name, {})
            curve[label] = rates[label].tokens
    width = min(len(figures), 3)
    height = -(-len(figures) // width)
    _, axes = plt.subplots(
        height, width, figsize=(4.5 * width, 3.2 * height), squeeze=False
    )
    for axis, figure in zip(axes.flat, figures):
        for name, curve in curves.items():
            labels = sorted(curve, key=curve.get)
            tokens = [curve[label] for label in labels]
            value, low, high = zip(*(summary[k, figure.label] for k in labels))
            axis.plot(tokens, value, marker="o", markersize=4, label=name)
            axis.fill_between(tokens, low, high, alpha=0.2)
        for marker, (label, tokens) in zip("*svx", marks.items()):
            level = summary[label, figure.label][0]
            axis.plot(tokens, level, marker, color="black", label=label)
        for style, label in zip(("--", ":"), levels):
            level = summary[label, figure.label][0]
            axis.axhline(level, ls=style, color="gray", label=label)
        if len(curves) > 1:
            axis.set_xscale("log")
        axis.set(xlabel="tokens per second", ylabel=figure.label)
        axis.grid(alpha=0.3)
    axes.flat[0].legend(fontsize=7)
    for axis in axes.flat[len(figures) :]:
        axis.remove()
    plt.tight_layout()
    plt.savefig(path, dpi=120)
    plt.close()
