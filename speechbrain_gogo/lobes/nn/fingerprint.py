"""The identity of a model: a hash of its settings and weights."""

import hashlib


def hash_weights(*states, metadata=""):
    """Hash settings and weights, by their values in float32.

    ``states`` are dicts of name -> tensor, in a fixed order, on any device and
    of any type; ``metadata`` are the settings. Returns 16 hex digits.

    Example
    -------
    >>> import torch
    >>> half, full = ({"w": torch.ones(2, dtype=t)} for t in
    ...     (torch.float16, torch.float32))
    >>> hash_weights(half) == hash_weights(full)
    True
    >>> hash_weights(half) == hash_weights(half, metadata="16000")
    False
    """
    digest = hashlib.sha256(metadata.encode())
    for state in states:
        for key, value in sorted(state.items()):
            digest.update(key.encode())
            digest.update(value.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
