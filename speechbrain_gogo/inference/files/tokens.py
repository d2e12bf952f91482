"""Token files: the tokens of a recording and the identity of their codec.

A safetensors file with the matrix [N, K] (16 bits if ids fit), the number of
samples, and the fingerprint of the codec. At a variable rate it has a flat list
of the kept tokens, and a budget for each group. It also has side information
for decoding, such as the embedding of the voice, and whether the tokens are of
a recording or of synthesised speech.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.lobes.tokens.granular import prefix_mask

SIDE = "side."  # prefix of the names of side information


class TokenFile(NamedTuple):
    """Content of a token file.

    tokens: int64 [N, K]; num_samples: length of the audio; fingerprint and
    codec: identity and name of the codec; budgets: number of kept tokens of
    each group, int64 [N], None if all are kept; side: further arguments of the
    codec's decoder, tensors by name; recorded: whether the tokens are of a
    recording, according to the file.
    """

    tokens: torch.Tensor
    num_samples: int
    fingerprint: str
    codec: str
    budgets: torch.Tensor | None
    side: dict
    recorded: bool = False


def save_tokens(
    path,
    tokens,
    num_samples,
    fingerprint,
    codec="",
    mask_id=None,
    side=None,
    recorded=False,
):
    """Write a token file of int64 [N, K], and return its path.

    ``mask_id`` is the id of dropped tokens at the end of groups, which are not
    stored; None if no token is dropped. ``side`` is the side information for
    decoding, tensors by name, see
    :meth:`PretrainedCodec.file_side_information`. The other arguments are as in
    :class:`TokenFile`.

    Example
    -------
    >>> path = getfixture("tmpdir") / "a.safetensors"
    >>> fewer = torch.tensor([[5, 7, 99], [6, 99, 99]])
    >>> voice = {"embedding": torch.ones(4)}
    >>> _ = save_tokens(path, fewer, 10240, "abc", "mine", mask_id=99, side=voice)
    >>> load_tokens(path).budgets, load_tokens(path).side
    (tensor([2, 1]), {'embedding': tensor([1., 1., 1., 1.])})
    >>> torch.equal(load_tokens(path).tokens, fewer)
    True
    """
    path, stored = Path(path), {}
    levels = tokens.shape[1]
    if mask_id is not None:
        kept = tokens != mask_id
        budgets = kept.sum(1)
        if not torch.equal(kept, prefix_mask(budgets, levels)):
            raise ValueError(
                f"{path}: tokens are left out at the end of a group only; "
                "here some follow a masked one."
            )
        stored["budgets"] = budgets.to("cpu", torch.uint8)
        tokens = tokens[kept]  # [sum of budgets], group by group
    small = tokens.numel() == 0 or int(tokens.max()) < 2**15
    dtype = torch.int16 if small else torch.int32
    metadata = {
        "num_samples": str(int(num_samples)),
        "fingerprint": fingerprint,
        "codec": str(codec),
        "recorded": str(bool(recorded)),
    }
    if mask_id is not None:
        metadata.update(levels=str(levels), mask_id=str(mask_id))
    stored["tokens"] = tokens.to("cpu", dtype).contiguous()
    for name, value in (side or {}).items():
        stored[SIDE + name] = value.to("cpu", torch.float32).contiguous()
    with replaced_when_complete(path) as partial:
        partial.write_bytes(save(stored, metadata))
    return path


def load_tokens(path, codec=None):
    """Read a token file; a ValueError if ``codec`` is given and did not make it."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No token file at {path}.")
    try:
        with safe_open(str(path), "pt") as stored:
            metadata = stored.metadata() or {}
            tokens = stored.get_tensor("tokens").long()
            budgets = None
            if "mask_id" in metadata:
                budgets = stored.get_tensor("budgets").long()
                numbers = int(metadata["levels"]), int(metadata["mask_id"])
                tokens = _spread(tokens, budgets, *numbers)
            if tokens.dim() != 2:
                shape = tuple(tokens.shape)
                raise ValueError(f"its tokens have the shape {shape}.")
            side = {
                key.removeprefix(SIDE): stored.get_tensor(key)
                for key in stored.keys()  # noqa: SIM118, it is no dict
                if key.startswith(SIDE)
            }
        found = TokenFile(
            tokens,
            int(metadata["num_samples"]),
            metadata["fingerprint"],
            metadata["codec"],
            budgets,
            side,
            metadata.get("recorded") == "True",
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no token file: {error}") from None
    if codec is not None and codec.fingerprint != found.fingerprint:
        raise ValueError(
            f"{path} was made by codec '{found.codec}' (fingerprint "
            f"{found.fingerprint}), not by '{codec.name}' (fingerprint "
            f"{codec.fingerprint}): decode it with the codec that made it."
        )
    return found


def _spread(tokens, budgets, levels, mask_id):
    """Flat list of kept tokens -> [N, K], by the budgets [N]."""
    if not 1 <= levels <= 255:  # budgets are bytes
        raise ValueError(f"it claims {levels} tokens for a group.")
    flat = tokens.dim() == 1 and budgets.dim() == 1
    kept = prefix_mask(budgets, levels)
    fits = flat and int(kept.sum()) == len(tokens)
    if not fits or (budgets > levels).any():
        raise ValueError(f"its budgets are not those of {len(tokens)} tokens.")
    matrix = torch.full(kept.shape, mask_id)
    matrix[kept] = tokens
    return matrix
