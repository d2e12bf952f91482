"""The passes of stages with one position per group, as files of their own.

Letters of shapes: as in stages.py.
"""

from speechbrain_gogo.inference.exporting.network import Network, Tensor
from speechbrain_gogo.lobes.speech.decoding.steps import (
    DepthStep,
    FineStep,
    GroupBackboneStep,
    GroupDetailStep,
    GroupText,
)


def group_backbone_networks(name, lm, cached_network):
    """Text, the large pass and the small one, of a GroupBackboneLM.

    Arguments
    ---------
    name : str
        Beginning of the files' names.
    lm : GroupBackboneLM
        In evaluation mode.
    cached_network : callable
        Makes a network with a cache, see stages.py.

    Yields
    ------
    Network
    """
    read = GroupText(lm)
    ids = Tensor(("B", "T"), "[text][start].", below=lm.start_id + 1)
    found = {
        "hidden": Tensor(("B", lm.dim), "Vector of the next group."),
        "end": Tensor(("B", 1), "Log-odds of the end before that group."),
    }
    use = "Ids before the speech to the vector of the first group."
    yield cached_network(f"{name}_text", use, read, {"ids": ids}, found)
    groups = "B", "T", lm.backbone_size
    inputs = {
        "before": Tensor(groups, "Preceding groups.", below=lm.codebook_size),
        "position": Tensor(
            ("B", "T"),
            f"Number of ids for the first group, {lm.group_stride} more for "
            "each further one.",
            below=lm.max_positions,
        ),
    }
    step = GroupBackboneStep(lm, read.blocks)
    use = "Preceding groups to the vector of the next one."
    yield cached_network(f"{name}_step", use, step, inputs, found)
    yield depth_network(f"{name}_depth", lm, DepthStep(lm.depth), "place")


def group_detail_networks(name, lm, cached_network):
    """The large pass and the small one of a GroupDetailLM.

    Arguments
    ---------
    name, lm, cached_network
        As in :func:`group_backbone_networks`.

    Yields
    ------
    Network
    """
    size = lm.codebook_size
    inputs = {
        "before": Tensor(
            ("B", "T", lm.num_tokens),
            f"Preceding groups; {size} where a token is missing.",
            below=size + 1,
        ),
        "backbone": Tensor(
            ("B", "T", lm.backbone_size), "Of the groups.", below=size
        ),
    }
    yield cached_network(
        f"{name}_step",
        "Preceding groups and backbones to the vector of the last group.",
        GroupDetailStep(lm),
        inputs,
        {"hidden": Tensor(("B", lm.dim), "Vector of the last group.")},
    )
    yield depth_network(f"{name}_depth", lm, FineStep(lm.depth), "fine")


def depth_network(name, lm, step, place):
    """The small pass: the vector of a group and tokens so far to the next one.

    Arguments
    ---------
    name : str
        Of the file.
    lm : GroupStage
        The stage.
    step : DepthStep
        The pass.
    place : str
        Name of its last input, the number of tokens so far.

    Returns
    -------
    Network
    """
    size, predicted = lm.codebook_size, lm.group_tokens - lm.given
    about = f"Number of {'fine ' if lm.given else ''}tokens so far."
    return Network(
        name,
        "The vector of a group and its tokens so far to the next token.",
        step,
        {
            "hidden": Tensor(("B", lm.dim), "From the large pass."),
            "tokens": Tensor(
                ("B", lm.group_tokens),
                "Of the group; those not predicted yet are ignored.",
                below=size,
            ),
            place: Tensor((1,), about, below=predicted),
        },
        {"log_probs": Tensor(("B", size), "Of the next token.")},
    )
