"""What users may pass to a codec, and what an error says if they do not.

Each function gives the value as the networks want it or raises a ValueError
that says what was wrong, where, and what to do.
"""

import logging

import torch
import torchaudio

from speechbrain_gogo.dataio.audio import check_finite, check_range
from speechbrain_gogo.lobes.granular import keep_prefix

logger = logging.getLogger(__name__)


def check_wavs(wavs, device):
    """Float waveforms [B, T] or [B, T, C] -> float32 [B, T] on a device."""
    if not torch.is_tensor(wavs) or not wavs.is_floating_point():
        raise ValueError(
            "Audio must be a float tensor in [-1, 1]; got "
            f"{getattr(wavs, 'dtype', type(wavs).__name__)}. Divide 16-bit "
            "samples by 32768."
        )
    if wavs.dim() == 3 and wavs.shape[-1]:
        _say_downmixed(wavs.shape[-1])
        wavs = wavs.mean(dim=-1)
    if wavs.dim() != 2 or 0 in wavs.shape:
        raise ValueError(
            "Audio must be [batch, samples] and not empty; got shape "
            f"{tuple(wavs.shape)}."
        )
    check_finite(wavs, "Audio")
    check_range(wavs, "Audio")
    return wavs.to(device, torch.float32)


def resample(wavs, rate, wanted):
    """Waveforms [B, T] at ``rate`` Hz -> at ``wanted`` Hz."""
    if not isinstance(rate, int) or rate < 1:
        raise ValueError(
            f"sample_rate={rate}: give the rate in Hz, such as 16000."
        )
    return torchaudio.functional.resample(wavs, rate, wanted)


def check_lens(lens, batch, name, device):
    """Relative lengths [B] in (0, 1]."""
    lens = torch.as_tensor(lens, device=device).float()
    if lens.shape != (batch,):
        raise ValueError(
            f"{name} must hold one relative length for each of {batch} "
            f"utterances; got shape {tuple(lens.shape)}."
        )
    if not ((lens > 0) & (lens <= 1 + 1e-5)).all():
        raise ValueError(f"{name} must lie in (0, 1]; got {lens.tolist()}.")
    return lens


def check_tokens(tokens, levels, mask_id, device):
    """Token ids [B, N, K], K at most ``levels`` -> int64 on a device."""
    tokens = torch.as_tensor(tokens)
    found = tokens.shape[-1] if tokens.dim() == 3 else 0
    if not 1 <= found <= levels or 0 in tokens.shape:
        raise ValueError(
            f"Tokens must be [batch, groups, 1 to {levels}]; got shape "
            f"{tuple(tokens.shape)}."
        )
    tokens = tokens.to(device, torch.long)
    wrong = (tokens < 0) | (tokens > mask_id)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"Token {int(tokens[tuple(place)])} at [utterance, group, level] "
            f"= {place} is outside 0..{mask_id}."
        )
    return tokens


def check_level(value, levels, name):
    """A number of tokens per group: 1..``levels``."""
    if not 1 <= value <= levels:
        raise ValueError(f"{name}={value} is outside 1..{levels}.")
    return value


def mask_dropped(tokens, keep, levels, mask_id):
    """Replace what ``keep`` leaves out by the masking token.

    ``keep`` is None, a number, or one for each group: [B, N].
    """
    if keep is None:
        return tokens
    keep = torch.as_tensor(keep, device=tokens.device)
    if keep.dim() == 0:
        check_level(keep.item(), levels, "keep")
    elif keep.shape != tokens.shape[:2]:
        raise ValueError(
            f"keep must be a number or [batch, groups] = "
            f"{list(tokens.shape[:2])}; got {list(keep.shape)}."
        )
    wrong = (keep < 1) | (keep > levels)
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"keep {int(keep[tuple(place)])} at [utterance, group] = {place} "
            f"is outside 1..{levels}."
        )
    return torch.where(keep_prefix(keep, tokens.shape[-1]), tokens, mask_id)


def check_sampling(num_steps, guidance_scale):
    """Settings of the flow's sampler, None for the model's own."""
    if num_steps is not None and num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: take at least one.")
    return {"num_steps": num_steps, "guidance_scale": guidance_scale}


def check_lengths(num_samples, longest):
    """Samples of each utterance: what is asked for, at most ``longest``."""
    if num_samples is None:
        return longest
    given = torch.as_tensor(num_samples).flatten().tolist()
    if len(given) == 1:
        given = given * len(longest)
    if len(given) != len(longest) or min(given) < 1:
        raise ValueError(
            f"num_samples={num_samples}: give one positive length, or one for "
            f"each of {len(longest)} utterances."
        )
    return [min(pair) for pair in zip(map(int, given), longest)]


def _say_downmixed(channels, said=set()):  # noqa: B006 (remembers on purpose)
    """Log once per number of channels."""
    if channels > 1 and channels not in said:
        said.add(channels)
        logger.warning("Audio of %d channels is downmixed to one.", channels)
