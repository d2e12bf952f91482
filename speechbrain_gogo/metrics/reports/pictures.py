"""Plots of mels with their groups.

As in Figures 9 and 10 of the Gogo paper: the original at the top with a line at
every group, reconstructions below on the same scales, and between them the
number of tokens of each group, if it varies. Training, the demo and the command
line use these plots.
"""

from matplotlib.figure import Figure

from speechbrain_gogo.dataio.replacing import replaced_when_complete

# Log-mel below the loudest bin by this much (104 dB) is drawn as silence.
DEPTH = 12.0


def plot_mels(mels, image_path, group_size, frame_rate):
    """Draw mels below each other, the first one with its group lines, as a PNG.

    ``mels`` has a log-mel [T, n_mels] (natural logarithm of amplitudes) of each
    title; the first one sets the colours of all. Group lines are ``group_size``
    frames apart, of which there are ``frame_rate`` per second.

    Example
    -------
    >>> import numpy
    >>> image = getfixture("tmp_path") / "new" / "mels.png"
    >>> mel = numpy.random.default_rng(0).normal(size=(47, 100))
    >>> plot_mels({"original": mel, "keep 1": mel / 2}, image, 20, 93.75)
    >>> image.exists()
    True
    """
    figure = Figure(figsize=(10, 1.65 * len(mels) + 0.4), layout="constrained")
    axes = figure.subplots(len(mels), sharex=True, sharey=True, squeeze=False)
    first = next(iter(mels.values()))
    for axis, (title, mel) in zip(axes[:, 0], mels.items()):
        draw_mel(axis, mel, title, first, frame_rate)
    draw_group_lines(axes[0, 0], len(first), group_size, frame_rate)
    save(figure, axes[-1, 0], image_path)


def plot_budgets(
    original,
    budgets,
    reconstruction,
    image_path,
    group_size,
    largest,
    title,
    frame_rate,
):
    """Draw a mel, the budget of each group, and the decoded mel, as a PNG.

    Both log-mels are [T, n_mels], of ``frame_rate`` frames per second; a group
    has ``group_size`` of them and at most ``largest`` tokens. The title is that
    of the budgets.

    Example
    -------
    >>> import numpy
    >>> image = getfixture("tmp_path") / "budgets.png"
    >>> mel = numpy.random.default_rng(0).normal(size=(40, 100))
    >>> plot_budgets(mel, [3, 10], mel, image, 20, 10, "6.5 tokens", 93.75)
    >>> image.exists()
    True
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    above, middle, below = figure.subplots(3, sharex=True)
    draw_mel(above, original, "original", original, frame_rate)
    draw_group_lines(above, len(original), group_size, frame_rate)
    edges = [
        place * group_size / frame_rate for place in range(len(budgets) + 1)
    ]
    middle.stairs(budgets, edges, fill=True, alpha=0.6)
    middle.axhline(sum(budgets) / len(budgets), color="black", ls=":", lw=1)
    middle.set(ylim=(0, largest + 0.5), ylabel="tokens")
    middle.set_title(title, loc="left", fontsize=10)
    title = "decoded from these tokens"
    draw_mel(below, reconstruction, title, original, frame_rate)
    save(figure, below, image_path)


def draw_mel(axis, mel, title, reference, frame_rate):
    """Draw one mel in the colours of a reference, both [T, n_mels]."""
    low, high = float(reference.min()), float(reference.max())
    axis.imshow(
        mel.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=max(low, high - DEPTH),
        vmax=high,
        extent=(0, len(mel) / frame_rate, 0, mel.shape[1]),
    )
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_yticks([])


def draw_group_lines(axis, num_frames, group_size, frame_rate):
    """Draw a line between groups."""
    lines = range(group_size, num_frames, group_size)
    axis.vlines(
        [frame / frame_rate for frame in lines],
        *axis.get_ylim(),
        colors="white",
        linestyles="dashed",
        linewidths=0.6,
    )


def save(figure, last_axis, image_path):
    """Label the time and write the file."""
    last_axis.set_xlabel("seconds")
    with replaced_when_complete(image_path) as partial:
        figure.savefig(partial, dpi=110)
