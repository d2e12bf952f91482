#!/usr/bin/env python3
"""Draw the two pictures of docs/concepts.md; no model is needed.

python docs/site/draw_concepts.py docs/pictures
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrow, Rectangle

GROUPS, LEVELS, FRAMES = 4, 10, 20
COLOURS = plt.get_cmap("viridis")(np.linspace(0.05, 0.95, LEVELS))
GREY = "0.9"


def draw_groups(path):
    """A mel spectrogram in groups of 20 frames, each encoded as 10 tokens."""
    rng = np.random.default_rng(0)
    time, bins = np.arange(GROUPS * FRAMES), np.arange(40)[:, None]
    pitch = 6 + 2 * np.sin(time / 9)
    mel = np.cos(2 * np.pi * bins / pitch) * np.exp(-bins / 25)
    mel = mel * (1.2 + np.sin(time / 6)) + 0.15 * rng.normal(size=mel.shape)
    figure, axis = plt.subplots(figsize=(8, 4))
    axis.imshow(
        mel, origin="lower", cmap="magma", extent=(0, 80, 12, 26), aspect="auto"
    )
    for group in range(GROUPS):
        left = group * FRAMES
        box = Rectangle((left, 12), FRAMES, 14, fill=False, ec="white", lw=2)
        axis.add_patch(box)
        axis.add_patch(
            FancyArrow(
                left + 10, 11.5, 0, -3.2, width=0.3, head_length=1, color="0.3"
            )
        )
        for level in range(LEVELS):
            place = left + 1 + 1.8 * level
            axis.add_patch(Rectangle((place, 4), 1.6, 3, color=COLOURS[level]))
            axis.text(
                place + 0.8, 3, level + 1, ha="center", va="top", fontsize=7
            )
    axis.text(0, 26.5, "log-mel spectrogram, 93.75 frames a second")
    axis.text(12, 9.5, "encoder, quantizer", fontsize=9, color="0.3")
    axis.text(0, 0, "10 tokens of each group, coarse (1) to fine (10)")
    axis.text(80, 26.5, "a group: 20 frames, 213 ms", ha="right")
    axis.set(xlim=(-1, 81), ylim=(-0.5, 28))
    _save(figure, axis, path)


def draw_granularity(path):
    """The token matrix, and the three ways to keep a prefix of each group."""
    budgets = [10, 4, 7, 3, 9, 5]
    titles = {
        "keep=10: all tokens": [10] * 6,
        "keep=3: the backbone": [3] * 6,
        "keep=budgets: as the allocator chooses": budgets,
    }
    figure, axes = plt.subplots(1, 3, figsize=(9, 4))
    for axis, (title, kept) in zip(axes, titles.items()):
        for group, number in enumerate(kept):
            for level in range(LEVELS):
                there = level < number
                axis.add_patch(
                    Rectangle(
                        (group, LEVELS - level),
                        0.9,
                        0.85,
                        color=COLOURS[level] if there else GREY,
                    )
                )
                if not there:
                    middle = group + 0.45, LEVELS - level + 0.42
                    axis.text(
                        *middle, "m", ha="center", va="center", color="0.6"
                    )
        total = sum(kept)
        axis.set_title(title, fontsize=10)
        axis.text(3, 0.4, f"{total} tokens", ha="center")
        axis.set(xlim=(-0.9, 6), ylim=(-0.8, 11.2))
        axis.text(3, -0.6, "groups (time)", ha="center", fontsize=9)
    axes[0].text(
        -0.5, 6, "coarse to fine", rotation=270, va="center", fontsize=9
    )
    for axis in axes[:-1]:
        axis.axis("off")
    _save(figure, axes[-1], path)


def _save(figure, axis, path):
    axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    draw_groups(folder / "concept_groups.png")
    draw_granularity(folder / "concept_granularity.png")
