"""Token files: the tokens of one recording, and which codec they belong to.

A safetensors file with the matrix [N, K] (16-bit where ids fit), the number
of samples they stand for, and the fingerprint of the codec that made them.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file


class TokenFile(NamedTuple):
    """What a token file holds.

    tokens: int64 [N, K]; num_samples: length of the audio; fingerprint and
    codec: which codec made them.
    """

    tokens: torch.Tensor
    num_samples: int
    fingerprint: str
    codec: str


def save_tokens(path, tokens, num_samples, fingerprint, codec=""):
    """Write a token file.

    Arguments
    ---------
    path : str | Path
        Where to.
    tokens : torch.Tensor
        int64 [N, K].
    num_samples : int
        Samples that the tokens stand for.
    fingerprint : str
        Of the codec.
    codec : str
        The codec's name, for people.

    Returns
    -------
    Path
        The file.

    Example
    -------
    >>> path = getfixture("tmpdir") / "a.safetensors"
    >>> _ = save_tokens(path, torch.ones(3, 10).long(), 15000, "abc", "mine")
    >>> load_tokens(path).tokens.shape
    torch.Size([3, 10])
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    small = tokens.numel() == 0 or int(tokens.max()) < 2**15
    dtype = torch.int16 if small else torch.int32
    metadata = {
        "num_samples": str(int(num_samples)),
        "fingerprint": fingerprint,
        "codec": str(codec),
    }
    stored = tokens.to("cpu", dtype).contiguous()
    save_file({"tokens": stored}, str(path), metadata)
    return path


def load_tokens(path, codec=None):
    """Read a token file.

    Arguments
    ---------
    path : str | Path
        The file.
    codec : GogoCodec
        Checks that the tokens are of this codec.

    Returns
    -------
    TokenFile

    Raises
    ------
    ValueError
        If it is no token file, or another codec's.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No token file at {path}.")
    try:
        with safe_open(str(path), "pt") as stored:
            metadata = stored.metadata() or {}
            tokens = stored.get_tensor("tokens").long()
        found = TokenFile(
            tokens,
            int(metadata["num_samples"]),
            metadata["fingerprint"],
            metadata["codec"],
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
