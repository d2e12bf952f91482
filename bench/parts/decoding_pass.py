"""Time of one pass of the DiT, and the shortest time of its multiply-adds.

Decoding consists mostly of passes of the DiT (Appendix C of the Gogo paper). Their
shortest time follows from the speed of matrix products with the DiT's shapes, which
is measured in the same run. The benchmark is in codec.py.
"""

from statistics import median

import torch
from torch import nn

REPEATS = 5


def multiply_adds(dit, frames):
    """Calculated multiply-adds of one pass over frames.

    All positions attend to each other. Projections, convolutions and attention
    count; the condition and the modulations are not part of a pass.
    """
    inside = [dit.project_x, dit.position, dit.blocks, dit.project_out]
    weights = sum(
        layer.weight.numel()  # of a grouped convolution: out * in / groups * k
        for part in inside
        for layer in part.modules()
        if isinstance(layer, (nn.Linear, nn.Conv1d))
    )
    width, positions = dit.project_out.in_features, frames // dit.patch_size
    attention = len(dit.blocks) * 2 * positions * width  # scores, sum of values
    return positions * (weights + attention)


@torch.inference_mode()
def measure_pass(codec, meter):
    """Time of a pass over one decoding window, and of matrix products.

    Gives "pass_seconds", "multiply_adds", their "rate" per second that matrix
    products of the DiT's shapes reach, "frames", and the sampler's "num_steps"
    and "guidance_scale".
    """
    flow, dit = codec.codec.flow, codec.codec.flow.backbone
    device = codec.codec.places.device
    frames = codec.hparams.window_groups * codec.group_size
    positions = frames // dit.patch_size
    x = torch.randn(1, frames, dit.n_mels, device=device)
    cond = torch.randn(1, frames, dit.cond_dim, device=device)
    condition = dit.condition(cond)
    modulation = dit.modulation(torch.rand(1, device=device))
    layers = [m for m in dit.blocks[0].modules() if isinstance(m, nn.Linear)]
    rows = [
        torch.randn(positions, layer.in_features, device=device)
        for layer in layers
    ]

    def matrices():
        for layer, row in zip(layers, rows):
            row @ layer.weight.t()

    def one_pass():
        dit.velocity(x, condition, modulation)

    def timed(run):
        start = meter.now()
        run()
        return meter.now() - start

    timed(one_pass), timed(matrices)
    times = [(timed(one_pass), timed(matrices)) for _ in range(REPEATS)]
    pass_seconds, matrix_seconds = (median(column) for column in zip(*times))
    products = positions * sum(layer.weight.numel() for layer in layers)
    return {
        "pass_seconds": pass_seconds,
        "multiply_adds": multiply_adds(dit, frames),
        "rate": products / matrix_seconds,
        "frames": frames,
        "num_steps": flow.num_steps,
        "guidance_scale": flow.guidance_scale,
    }
