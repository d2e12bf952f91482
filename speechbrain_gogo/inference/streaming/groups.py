"""Streaming decoding of groups of tokens that arrive one by one.

Audio is returned as soon as a window of the decoder is complete. The first
window is short, so that the first chunk comes early.
"""

import torch

from speechbrain_gogo.inference.streaming.decoding import decode_mel, windows
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows


@torch.no_grad()
def decode_group_stream(
    codec,
    groups,
    first_window,
    overlap,
    seed=0,
    num_steps=None,
    guidance_scale=None,
):
    """Decode groups as they arrive.

    Windows overlap and are cross-faded, and the noise of a frame depends on
    its index only: the audio does not depend on when the groups arrive.

    Arguments
    ---------
    codec : GogoCodec
        The codec; ``window_groups`` of its YAML is the longest window.
    groups : iterable of torch.Tensor
        int64 [K] each.
    first_window : int
        Groups of the first window; each following one is 1.5 times as long.
    overlap : int
        Groups that two windows share, at most half of the first one.
    seed : int
        Seed of the flow's noise.
    num_steps : int
        Flow steps; the codec's setting by default.
    guidance_scale : float
        Scale of classifier-free guidance; the codec's setting by default.

    Yields
    ------
    torch.Tensor
        Consecutive chunks of audio, float32 [T].

    Example
    -------
    >>> from speechbrain_gogo.inference import GogoCodec
    >>> codec = GogoCodec.from_hparams("gogo-mini")
    >>> pieces = decode_group_stream(codec, torch.zeros(9, 10).long(), 4, 1)
    >>> sum(len(piece) for piece in pieces) // codec.group_samples
    9
    """
    groups, received = iter(groups), []

    def read_until(stop):
        while len(received) < stop:
            group = next(groups, None)
            if group is None:
                break
            received.append(group)
        tokens = torch.stack(received).unsqueeze(0) if received else None
        return tokens, [len(received)], len(received) < stop

    longest = codec.hparams.window_groups
    mels = decode_mel(
        codec.codec,
        read_until,
        windows(longest, overlap, first_window),
        longest - codec.hparams.overlap_groups,  # noise as in whole decoding
        seed,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
    )
    pieces = vocode_in_windows(
        codec.vocoder,
        (piece.float() for piece, _ in mels),
        longest * codec.group_size,
        least=1,
    )
    while True:
        with codec.own_precision():  # ends before the caller goes on
            audio = next(pieces, None)
        if audio is None:
            return
        yield audio[0].float()
