"""Pictures of mels and of the groups that cut them.

As in Figures 9 and 10 of the Gogo paper: the original above with a line at
every group, reconstructions below on the same scales. Knows nothing of models;
training and the demo both draw with it.
"""

from pathlib import Path

from matplotlib.figure import Figure

# Log-mel below the loudest bin by this much (105 dB) is drawn as silence.
DEPTH = 12.0


def plot_mels(mels, image_path, group_size, frame_rate=93.75):
    """Draw mels below each other, the first one with its group lines.

    Arguments
    ---------
    mels : dict
        Title to log-mel (natural logarithm of amplitudes), tensor or array
        [T, n_mels]; the first one sets the colours of all.
    image_path : str | Path
        PNG to write; folders are made.
    group_size : int
        Frames between two group lines.
    frame_rate : float
        Frames per second.

    Example
    -------
    >>> import numpy
    >>> image = getfixture("tmp_path") / "new" / "mels.png"
    >>> mel = numpy.random.default_rng(0).normal(size=(47, 100))
    >>> plot_mels({"original": mel, "keep 1": mel / 2}, image, group_size=20)
    >>> image.exists()
    True
    """
    figure = Figure(figsize=(10, 1.65 * len(mels) + 0.4), layout="constrained")
    axes = figure.subplots(len(mels), sharex=True, sharey=True, squeeze=False)
    first = next(iter(mels.values()))
    low, high = float(first.min()), float(first.max())
    for place, (axis, (title, mel)) in enumerate(zip(axes[:, 0], mels.items())):
        seconds = len(mel) / frame_rate
        axis.imshow(
            mel.T,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=max(low, high - DEPTH),
            vmax=high,
            extent=(0, seconds, 0, mel.shape[1]),
        )
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_yticks([])
        if place == 0:
            lines = range(group_size, len(mel), group_size)
            axis.vlines(
                [frame / frame_rate for frame in lines],
                *axis.get_ylim(),
                colors="white",
                linestyles="dashed",
                linewidths=0.6,
            )
    axes[-1, 0].set_xlabel("seconds")
    Path(image_path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image_path, dpi=110)
