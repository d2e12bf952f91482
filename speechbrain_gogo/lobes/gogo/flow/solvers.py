"""Time grids and solvers that integrate the flow in few passes.

The paper takes Euler steps on a uniform grid that sway sampling shifts towards
the noise. Here are others, which a model's YAML names (hparams/samplers). Each
solver calls a function of the velocity, so that passes can be counted and
solvers compared with an equation whose solution is known.

Letters: S steps, E evaluations of the velocity.
"""

import torch

# Steps of 1/32 that Empirically Pruned Step Sampling keeps (Zheng et al. 2025,
# arXiv 2505.19931), by their number.
EPSS = {
    5: [0, 2, 4, 8, 16, 32],
    6: [0, 2, 4, 6, 8, 16, 32],
    7: [0, 2, 4, 6, 8, 16, 24, 32],
    10: [0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32],
    12: [0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32],
    16: [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32],
}


def uniform_grid(num_steps):
    """Times [S + 1] from 0 to 1 in equal steps."""
    return torch.linspace(0, 1, num_steps + 1)


def epss_grid(num_steps):
    """Times [S + 1] of Empirically Pruned Step Sampling, before sway sampling.

    It has grids of 5, 6, 7, 10, 12 and 16 steps.

    Example
    -------
    >>> epss_grid(5)
    tensor([0.0000, 0.0625, 0.1250, 0.2500, 0.5000, 1.0000])
    """
    if num_steps not in EPSS:
        raise ValueError(
            f"num_steps={num_steps}: the grid 'epss' has {list(EPSS)} steps."
        )
    return torch.tensor(EPSS[num_steps]) / 32


def euler(velocity, x, times):
    """One evaluation per step: x + h v.

    Arguments
    ---------
    velocity : callable
        Function of x and the number of the evaluation, counted from 0.
    x : torch.Tensor
        State at the first time.
    times : list of float
        Times of the steps, [S + 1].

    Returns
    -------
    torch.Tensor
        At the last time.

    Example
    -------
    >>> euler(lambda x, index: x, torch.ones(1), [0.0, 0.5, 1.0])
    tensor([2.2500])
    """
    for step in range(len(times) - 1):
        x = x + (times[step + 1] - times[step]) * velocity(x, step)
    return x


def midpoint(velocity, x, times):
    """Two evaluations per step, the second at its middle: order 2.

    Arguments as in :func:`euler`.

    Example
    -------
    >>> midpoint(lambda x, index: x, torch.ones(1), [0.0, 1.0])
    tensor([2.5000])
    """
    for step in range(len(times) - 1):
        h = times[step + 1] - times[step]
        half = x + h / 2 * velocity(x, 2 * step)
        x = x + h * velocity(half, 2 * step + 1)
    return x


def adams_bashforth(velocity, x, times):
    """One evaluation per step and the preceding one: order 2.

    The first step is Euler's. With steps h and, before, h' the next is
    x + h ((1 + r/2) v - r/2 v'), r = h / h' (Hairer, Norsett, Wanner: Solving
    Ordinary Differential Equations I, III.5, variable steps). Arguments as in
    :func:`euler`.

    Example
    -------
    >>> adams_bashforth(lambda x, index: x, torch.ones(1), [0.0, 0.5, 1.0])
    tensor([2.3750])
    """
    last = last_h = None
    for step in range(len(times) - 1):
        h, v = times[step + 1] - times[step], velocity(x, step)
        if last is None:
            x = x + h * v
        else:
            r = h / last_h
            x = x + h * ((1 + r / 2) * v - r / 2 * last)
        last, last_h = v, h
    return x


def evaluation_times(times, solver):
    """Times [E] at which a solver evaluates the velocity.

    ``times`` are those of the steps, [S + 1]; E is S, or 2 S of "midpoint".

    Example
    -------
    >>> evaluation_times(torch.tensor([0.0, 0.5, 1.0]), "midpoint")
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    first = times[:-1]
    if solver != "midpoint":
        return first
    return torch.stack([first, (first + times[1:]) / 2], dim=1).flatten()


GRIDS = {"uniform": uniform_grid, "epss": epss_grid}
SOLVERS = {
    "euler": euler,
    "midpoint": midpoint,
    "adams_bashforth": adams_bashforth,
}
