"""Budgets of one mean rate for a whole test set, by the allocator and others.

The allocator is compared with budgets of the same rate: uniform ones (a mix of
two neighbouring budgets), and its own budgets in random order. The oracle knows
the distance of Eq. 10 for every budget of every group, and is optimal at that
rate. All plans use the same number of tokens on the test set (the oracle at
most); its distribution over utterances is part of the plan.
"""

import hashlib

import torch
from tqdm import tqdm

from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.lobes.allocator.reward import ReconstructionReward

PLANS = ("allocator", "uniform", "random", "oracle")


def plan_budgets(codec, utterances, names, target_rate=None, seed=0, **sampler):
    """Budgets for every utterance, by some of ``PLANS``.

    ``target_rate`` is in tokens per second of each utterance; the allocator
    chooses if it is None. The seed is that of the random plan, and of the noise
    of the oracle's decodes, whose ``num_steps`` and ``guidance_scale`` are
    ``sampler``. Gives name -> {ID: budgets int64 [1, N]}. An unknown plan is an
    error, and so is a codec without an allocator.
    """
    unknown = set(names) - set(PLANS)
    if unknown:
        raise ValueError(f"No budgets {sorted(unknown)}: there are {PLANS}.")
    reward, generator = None, torch.Generator().manual_seed(seed)
    chosen, distances = [], []
    for row in tqdm(utterances.values(), "budgets", dynamic_ncols=True):
        wav = read_clip(row["wav"], codec.sample_rate, row["samples"])[None]
        tokens, lens = codec.encode_batch(wav)
        chosen.append(codec.allocate(tokens, target_rate=target_rate)[0].cpu())
        if "oracle" in names:
            if reward is None:  # of a codec with an allocator
                reward = ReconstructionReward(
                    codec.codec, codec.vocoder, **sampler
                ).to(lens.device)
            _, found, _, _ = reward(wav.to(lens), lens, generator)
            distances.append(found[0].cpu())
    spent = torch.cat(chosen)  # [M], all groups in a row
    plans = {
        "allocator": lambda: spent,
        "uniform": lambda: even_budgets(spent),
        "random": lambda: spent[
            torch.randperm(len(spent), generator=generator)
        ],
        "oracle": lambda: best_budgets(
            torch.cat(distances), spent, codec.mods.allocator
        ),
    }
    counts = [len(budgets) for budgets in chosen]
    planned = {name: plans[name]().split(counts) for name in names}
    return {
        name: {key: b.unsqueeze(0) for key, b in zip(utterances, budgets)}
        for name, budgets in planned.items()
    }


def even_budgets(spent):
    """Budgets [M] with the same sum, as uniform as integers allow."""
    mean, places = spent.double().mean(), torch.arange(len(spent) + 1)
    return (mean * places + 0.5).floor().diff().long()


def best_budgets(distances, spent, allocator):
    """Budgets [M] with at most that sum and the smallest total distance.

    Distances are [M, G]. The optimum minimizes the distance plus a price per
    token, which is found by bisection, as the allocator's bias.
    """
    logits = -distances.unsqueeze(0)
    real = torch.ones(logits.shape[:2], dtype=bool)
    mean = float(spent.double().mean())
    bias = allocator.solve_bias(logits, real, mean)
    return allocator.choose(logits, bias)[0]


def mean_budget(budgets):
    """Tokens per group of a plan {ID: [1, N]}, or a number itself."""
    if not isinstance(budgets, dict):
        return budgets
    every = torch.cat([each.flatten() for each in budgets.values()])
    return float(every.double().mean())


def fingerprint(plans):
    """16 hex digits that identify the plans; None for none."""
    if not plans:
        return None
    digest = hashlib.sha256()
    for name, budgets in sorted(plans.items()):
        digest.update(name.encode())
        for each in budgets.values():
            digest.update(each.numpy().tobytes())
    return digest.hexdigest()[:16]
