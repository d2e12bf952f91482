"""Decoding token matrices of any length at bounded memory (Appendix D).

The flow's attention is quadratic in the length, so it runs in overlapping
windows of groups, which are cross-faded. Windows depend only on an utterance's
own length, and noise only on the seed and the index of a frame. An utterance
therefore has the same audio alone, in a batch, or streamed, up to rounding.
"""

from itertools import pairwise

import torch


def frame_noise(seed, first, last, block, num_values):
    """Standard normal noise of the groups first..last, the same in every window.

    It is drawn in blocks of groups, each from its own generator: [last - first,
    num_values].

    Example
    -------
    >>> whole = frame_noise(0, 0, 10, 4, 2)
    >>> bool((frame_noise(0, 3, 9, 4, 2) == whole[3:9]).all())
    True
    """
    drawn = []
    for index in range(first // block, -(-last // block)):
        place = (int(seed) * 1_000_003 + index) % 2**63
        generator = torch.Generator().manual_seed(place)
        drawn.append(torch.randn(block, num_values, generator=generator))
    start = first - first // block * block
    return torch.cat(drawn)[start : start + last - first]


def windows(size, overlap, first_size=None):
    """First and last + 1 group of windows that cover any number of groups.

    Windows have ``size`` groups and share ``overlap``, at most half of the smaller
    one. The first one has ``first_size``, for a low latency; each following one is
    1.5 times as long, up to ``size``. The sequence is infinite.

    Example
    -------
    >>> from itertools import islice
    >>> list(islice(windows(8, 2, first_size=4), 4))
    [(0, 4), (2, 8), (6, 14), (12, 20)]
    """
    first, now = 0, min(first_size or size, size)
    if not 0 <= 2 * overlap <= now:
        raise ValueError(
            f"Windows of {now} groups cannot overlap by {overlap}: by half of "
            "them at most."
        )
    while True:
        yield first, first + now
        first, now = first + now - overlap, min(3 * now // 2, size)


def decode_mel(codec, reveal, places, block, seed, **sampling):
    """Mel of token matrices, piece by piece.

    Tokens may arrive while they are decoded: a window is decoded as soon as it
    is complete, or the utterances have ended. ``reveal`` is a function of a
    number of groups that returns at least their tokens, int64 [B, N, K],
    ``mask_id`` where a token is not used; the number of groups of each
    utterance so far, a list; and whether all have ended.

    ``places`` are starts and ends of windows, from :func:`windows`; ``block``
    is the number of groups whose noise, by ``seed``, is drawn together;
    ``sampling`` are ``num_steps`` and ``guidance_scale``. Yields the next piece
    of an utterance's log-mel, [1, F, d], and the utterance's index in the
    batch.
    """
    g, values = codec.group_size, codec.group_size * codec.mel.n_mels
    tails = {}  # the end of each utterance's last window, to be cross-faded
    done = 0  # groups that windows have covered
    for (first, stop), (following, _) in pairwise(places):
        tokens, counts, over = reveal(stop)
        rows = [b for b, count in enumerate(counts) if count > done]
        for b in set(tails).difference(rows):  # ended with the last window
            yield tails.pop(b), b
        if not rows:
            return
        last = min(stop, max(counts[b] for b in rows))
        inside = torch.tensor([min(counts[b], last) - first for b in rows])
        lens = inside.to(tokens.device) / (last - first)
        noise = None
        if codec.flow.draws_noise:
            noise = frame_noise(seed, first, last, block, values)
            noise = noise.view(1, -1, codec.mel.n_mels).to(codec.places)
            noise = noise.expand(len(rows), -1, -1)
        mel = codec.decode_mel(
            tokens[rows, first:last],
            lens if len(rows) > 1 else None,
            noise,
            **sampling,
        )
        for row, b in enumerate(rows):
            piece = mel[row : row + 1, : inside[row] * g]
            if b in tails:
                piece = cross_fade(tails.pop(b), piece)
            if counts[b] > stop or not over:
                cut = (following - first) * g
                piece, tails[b] = piece[:, :cut], piece[:, cut:]
            yield piece, b
        done = stop


def cross_fade(tail, piece):
    """Mel [1, F, d] whose first frames are cross-faded with ``tail``."""
    frames = tail.shape[1]
    ramp = torch.linspace(0, 1, frames + 2, device=tail.device)[1:-1]
    mixed = torch.lerp(tail, piece[:, :frames], ramp.unsqueeze(-1))
    return torch.cat([mixed, piece[:, frames:]], dim=1)
