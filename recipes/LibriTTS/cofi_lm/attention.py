#!/usr/bin/env python3
"""Attention maps of language models for the same text (Section IV-D, Figure 4).

    python attention.py hparams/attention.yaml --prompt_wav prompt.wav \
        --prompt_text "What the prompt says." --text "Good morning." \
        --models "{single: FOLDER, chain: FOLDER, stack: FOLDER}"

See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

from matplotlib.figure import Figure

from recipes.common.settings import parse_arguments
from speechbrain_gogo.inference import CoFiSpeech


def draw_maps(maps, path, factor, most):
    """Draw maps side by side.

    Each has a title, weights [S, S], and names and sizes of the parts of S. The
    weights are multiplied by ``factor`` and clipped at ``most``.
    """
    figure = Figure(figsize=(5 * len(maps), 5), layout="constrained")
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    for axis, (title, weights, parts) in zip(axes, maps):
        shown = (factor * weights.cpu()).clamp(max=most)
        axis.imshow(shown, cmap="viridis", vmin=0, vmax=most)
        axis.set_title(title)
        centres, first = [], 0
        for _, size in parts:
            centres.append(first + (size - 1) / 2)
            first += size
            for line in (axis.axhline, axis.axvline):
                line(first - 0.5, color="white", linewidth=0.5)
        names = [name for name, _ in parts]
        axis.set_xticks(centres, names, rotation=45, ha="right")
        axis.set_yticks(centres, names)
        axis.set_xlabel("attended to")
    axes[0].set_ylabel("attends")
    figure.savefig(path, dpi=150)


def main(arguments):
    """Synthesize with each model, and plot its attention."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    maps = []
    for name, source in hparams["models"].items():
        speech = CoFiSpeech.from_hparams(source, run_opts=run_opts)
        found = speech.attention_maps(
            hparams["text"],
            hparams["prompt_wav"],
            hparams["prompt_text"],
            seed=hparams["seed"],
        )
        for number, (weights, parts) in enumerate(found):
            # Section IV-D counts them from the finest scale, GPT_1, on.
            which = f", GPT {len(found) - number}" if len(found) > 1 else ""
            maps.append((name + which, weights, parts))
    if not maps:
        raise ValueError('No model: give --models "{NAME: FOLDER}".')
    folder = Path(hparams["output_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "attention.png"
    draw_maps(maps, path, hparams["factor"], hparams["most"])
    print(f"The maps are in {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
