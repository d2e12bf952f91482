"""Decoding token matrices of any length at bounded memory (Appendix D).

The flow's attention would be quadratic in the length: it runs in windows of
groups that overlap, and the overlaps are cross-faded. Windows depend on an
utterance's own length alone, and noise on the seed and the frame's place
alone, so an utterance sounds the same by itself, in a batch, or streamed.
"""

import torch


def frame_noise(seed, first, last, block, num_values):
    """Noise of the groups first..last, whoever asks for it.

    It is drawn block by block, each from its own generator.

    Arguments
    ---------
    seed : int
        Of the whole signal.
    first : int
        First group.
    last : int
        Group after the last one.
    block : int
        Groups per generator.
    num_values : int
        Values per group.

    Returns
    -------
    torch.Tensor
        Standard normal [last - first, num_values].

    Example
    -------
    >>> whole = frame_noise(0, 0, 10, 4, 2)
    >>> bool((frame_noise(0, 3, 9, 4, 2) == whole[3:9]).all())
    True
    """
    drawn = []
    for index in range(first // block, -(-last // block)):
        place = (seed * 1_000_003 + index) % 2**63
        generator = torch.Generator().manual_seed(place)
        drawn.append(torch.randn(block, num_values, generator=generator))
    start = first - first // block * block
    return torch.cat(drawn)[start : start + last - first]


def decode_mel(codec, tokens, counts, window, overlap, seed, **sampling):
    """Mel of token matrices, piece by piece.

    Arguments
    ---------
    codec : Gogo
        The codec.
    tokens : torch.Tensor
        int64 [B, N, K], ``mask_id`` where a token is not used.
    counts : list of int
        Groups of each utterance, at most N.
    window : int
        Groups that attend to each other.
    overlap : int
        Groups that a window shares with the next one, less than half of it.
    seed : int
        Of the initial noise.
    **sampling
        ``num_steps`` and ``guidance_scale``.

    Yields
    ------
    tuple
        The next piece of an utterance's log-mel, [1, F, d], and the
        utterance's place in the batch.
    """
    stride, g = window - overlap, codec.group_size
    values = g * codec.mel.n_mels
    fade = torch.linspace(0, 1, overlap * g + 2, device=tokens.device)[1:-1]
    fade = fade.unsqueeze(-1)  # [overlap * g, 1]
    tails = {}  # the end of each utterance's last window, to be cross-faded
    for first in range(0, max(counts), stride):
        rows = [
            b
            for b, count in enumerate(counts)
            if first == 0 or count > first + overlap
        ]
        if not rows:
            return
        last = min(first + window, max(counts[b] for b in rows))
        inside = torch.tensor([min(counts[b], last) - first for b in rows])
        lens = inside.to(tokens.device) / (last - first)
        noise = frame_noise(seed, first, last, stride, values)
        noise = noise.view(1, -1, codec.mel.n_mels).to(codec.places)
        mel = codec.decode_mel(
            tokens[rows, first:last],
            lens if len(rows) > 1 else None,
            noise.expand(len(rows), -1, -1),
            **sampling,
        )
        for row, b in enumerate(rows):
            piece = mel[row : row + 1, : inside[row] * g]
            if b in tails:
                mixed = torch.lerp(tails.pop(b), piece[:, : len(fade)], fade)
                piece = torch.cat([mixed, piece[:, len(fade) :]], dim=1)
            if counts[b] > first + window:
                cut = stride * g
                piece, tails[b] = piece[:, :cut], piece[:, cut:]
            yield piece, b
