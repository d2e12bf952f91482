"""The passes of GogoSpeech's stages, as files of their own.

Letters of shapes: B batch, T new positions, S cached positions, L text ids, M = L
+ 1 positions in a text, N groups.
"""

from functools import partial

from speechbrain_gogo.inference.exporting.network import (
    Function,
    Network,
    Tensor,
)
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.decoding.stateless_llama import (
    StatelessLlama,
)
from speechbrain_gogo.lobes.speech.decoding.steps import (
    aligned_step,
    aligned_text,
    depth_step,
    group_backbone_step,
    group_detail_step,
    group_text,
    token_step,
)
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

PADDING = Tensor(
    ("B",), "Padding positions on the left of each sequence.", below=2
)


def align(aligner, tokens):
    """tokens of clips int64 [B, N, K] -> log-probabilities [B, N * F, V + 1]."""
    return aligner(tokens, tokens[..., 0] >= 0)


def stage_networks(name, stage):
    """The networks of a stage; ``name`` begins the names of their files.

    Stages of other classes are refused with a ValueError.
    """
    if isinstance(stage, AlignedBackboneLM):
        return list(aligned_networks(name, stage))
    if isinstance(stage, GroupBackboneLM):
        return list(group_backbone_networks(name, stage))
    if isinstance(stage, GroupDetailLM):
        return list(group_detail_networks(name, stage))
    if not isinstance(stage, BackboneLM | DetailLM):
        raise ValueError(
            f"{name} is a {type(stage).__name__}, of which there is no export "
            "to ONNX: export a model whose stages are of gogospeech.yaml, "
            "gogospeech_groups.yaml or gogospeech_aligned.yaml, or its codec."
        )
    count = stage.output_slice.stop - stage.output_slice.start
    ids = Tensor(("B", "T"), "Next ids.", below=stage.output_slice.stop)
    logits = Tensor(("B", count), "Of the ids from first_code on.")
    use = "Ids and the cache so far to logits of the next token."
    step, ends = (token_step, stage), ({"ids": ids}, {"logits": logits})
    return [cached_network(f"{name}_step", use, *step, *ends)]


def cached_network(name, use, step, lm, inputs, outputs):
    """A large pass of a stage, with a cache that is empty (S = 0) at first."""
    blocks = StatelessLlama(getattr(lm.llama, "model", lm.llama))
    before, after = (blocks.cache_shape("B", s) for s in ("S", "S + T"))
    cache = Tensor(before, "Cache; no positions at first.")
    grown = Tensor(after, "Cache for the next pass.")
    return Network(
        name,
        use,
        Function(partial(step, blocks), lm),
        {**inputs, "padding": PADDING, "keys": cache, "values": cache},
        {**outputs, "keys_out": grown, "values_out": grown},
    )


def aligned_networks(name, lm):
    """Text, alignment of a prompt, the large pass and the small one."""
    ids = lm.text.end_id
    frames, size = lm.aligner.frames, lm.codebook_size
    encoded = Tensor(("B", "M", lm.dim), "Encoded text, M = L + 1.")
    yield Network(
        f"{name}_text",
        "Text to encoded text and durations, once per utterance.",
        Function(aligned_text, lm),
        {
            "text": Tensor(("B", "L"), "Text ids.", below=ids),
            "lengths": Tensor(("B",), "Ids of each text.", below=4),
        },
        {
            "encoded": encoded,
            "durations": Tensor(
                ("B", "M"), f"Frames, of {frames} in each group."
            ),
        },
    )
    prompt = ("B", "N", lm.aligner.num_tokens)
    yield Network(
        f"{name}_aligner",
        "Tokens of a prompt to log-probabilities of its text, for CTC.",
        Function(align, lm.aligner),
        {"tokens": Tensor(prompt, "Tokens of a prompt.", below=size)},
        {
            "log_probs": Tensor(
                ("B", "T", lm.aligner.blank + 1),
                f"T = {frames} N frames; the last id is the blank.",
            )
        },
    )
    groups = "B", "T", lm.backbone_size
    yield cached_network(
        f"{name}_step",
        "Preceding groups and the text of the next ones to the vector from "
        "which the next group is predicted.",
        aligned_step,
        lm,
        {
            "before": Tensor(
                groups, f"Preceding groups; {size} for none.", below=size + 1
            ),
            "encoded": encoded,
            "places": Tensor(
                ("B", "T", frames), "Text position of each frame.", below=3
            ),
        },
        {"hidden": Tensor(("B", lm.dim), "Vector of the next group.")},
    )
    yield depth_network(f"{name}_depth", lm, "place")


def group_backbone_networks(name, lm):
    """Text, the large pass and the small one, of a GroupBackboneLM."""
    ids = Tensor(("B", "T"), "[text][start].", below=lm.start_id + 1)
    found = {
        "hidden": Tensor(("B", lm.dim), "Vector of the next group."),
        "end": Tensor(("B", 1), "Log-odds of the end before that group."),
    }
    use = "Ids before the speech to the vector of the first group."
    inputs = {"ids": ids}
    yield cached_network(f"{name}_text", use, group_text, lm, inputs, found)
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
    use = "Preceding groups to the vector of the next one."
    step = group_backbone_step
    yield cached_network(f"{name}_step", use, step, lm, inputs, found)
    yield depth_network(f"{name}_depth", lm, "place")


def group_detail_networks(name, lm):
    """The large pass and the small one of a GroupDetailLM."""
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
        group_detail_step,
        lm,
        inputs,
        {"hidden": Tensor(("B", lm.dim), "Vector of the last group.")},
    )
    yield depth_network(f"{name}_depth", lm, "fine")


def depth_network(name, lm, place):
    """The small pass: the vector of a group and tokens so far to the next one.

    ``place`` names the last input, the number of tokens so far.
    """
    size, predicted = lm.codebook_size, lm.group_tokens - lm.given
    about = f"Number of {'fine ' if lm.given else ''}tokens so far."
    return Network(
        name,
        "The vector of a group and its tokens so far to the next token.",
        Function(depth_step, lm.depth),
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


def describe_stage(stage):
    """Settings of a stage that a user of the files needs, a dict for JSON."""
    found = {
        "kind": type(stage).__name__,
        "max_positions": stage.max_positions,
        "backbone_size": stage.backbone_size,
    }
    if isinstance(stage, GroupBackboneLM):
        about = (
            "ids are [text][start]. Then a pass for each group, and a small pass "
            "for each of its tokens; before the first token, the end has the "
            "probability sigmoid(end)."
        )
        return {
            **found,
            "about": about,
            "start_id": stage.start_id,
            "group_stride": stage.group_stride,
        }
    if isinstance(stage, GroupDetailLM):
        about = "A pass for each group, then a small pass for each of its fine tokens."
        return {**found, "about": about, "no_token": stage.codebook_size}
    if isinstance(stage, AlignedBackboneLM):
        about = (
            "Frame t of the utterance has the position in the text of how many "
            "durations have ended by t; the groups are over after the last one. "
            "A pass for each group, then a small pass for each of its tokens."
        )
        return {
            **found,
            "about": about,
            "frames_per_group": stage.aligner.frames,
            "no_group": stage.codebook_size,
        }
    found.update(first_code=stage.offset, start_id=stage.start_id)
    if isinstance(stage, BackboneLM):
        found.update(
            about="[text][start][backbone, group by group][end].",
            end_id=stage.end_id,
            order=stage.order,
        )
        return found
    about = "[start][groups]; mask_id stands for tokens that are not used."
    return {**found, "about": about, "mask_id": stage.mask_id}
