"""Hearing speech while it is being spoken.

Groups of tokens come one by one, from whoever speaks them, and leave as audio
as soon as a window of the decoder is full: a short one at first, so that the
first sound does not wait for the sentence.
"""

import torch

from speechbrain_gogo.inference.streaming.decoding import decode_mel, windows
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows


@torch.no_grad()
def decode_live(
    codec,
    groups,
    first_window,
    overlap,
    seed=0,
    num_steps=None,
    guidance_scale=None,
):
    """Decode groups as they come.

    Windows overlap and are cross-faded, and the noise of a frame hangs on
    its place alone: what is heard does not depend on when the groups came.

    Arguments
    ---------
    codec : GogoCodec
        Decodes; ``window_groups`` of its YAML is the longest window.
    groups : iterable of torch.Tensor
        int64 [K] each.
    first_window : int
        Groups of the first window; each of the next ones is half as long
        again.
    overlap : int
        Groups that two windows share, at most half of the first one.
    seed : int
        Of the flow's noise.
    num_steps : int
        Flow steps; the codec's own number by default.
    guidance_scale : float
        Of classifier-free guidance; the codec's own by default.

    Yields
    ------
    torch.Tensor
        Consecutive pieces of audio, float32 [T].

    Example
    -------
    >>> from speechbrain_gogo.inference import GogoCodec
    >>> codec = GogoCodec.from_hparams("gogo-mini")
    >>> pieces = decode_live(codec, torch.zeros(9, 10).long(), 4, 1)
    >>> sum(len(piece) for piece in pieces) // codec.group_samples
    9
    """
    groups, heard = iter(groups), []

    def reveal(stop):
        while len(heard) < stop:
            group = next(groups, None)
            if group is None:
                break
            heard.append(group)
        tokens = torch.stack(heard).unsqueeze(0) if heard else None
        return tokens, [len(heard)], len(heard) < stop

    longest = codec.hparams.window_groups
    mels = decode_mel(
        codec.codec,
        reveal,
        windows(longest, overlap, first_window),
        longest - codec.hparams.overlap_groups,  # the codec's own noise
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
        with codec.own_precision():  # not while the caller is at work
            audio = next(pieces, None)
        if audio is None:
            return
        yield audio[0].float()
