"""Vocoding of long audio in windows, with the result of vocoding it at once.

An output frame depends on ``context`` frames on each side only. Windows are
vocoded with this context, whose audio is then cut off.
"""

import torch


@torch.no_grad()
def vocode_in_windows(vocoder, mel, window, least=None):
    """Vocode long mel in windows, in bounded memory.

    Each window is vocoded with its ``vocoder.context``, which is then cut off.
    The concatenated pieces equal the audio of the whole mel, up to rounding.

    Arguments
    ---------
    vocoder : Vocoder
        Anything with ``context``, ``hop_length`` and a forward pass.
    mel : torch.Tensor | iterable of torch.Tensor
        Log-mel frames [B, T, n_mels], whole or as consecutive pieces of any
        lengths, which may be generated while they are read.
    window : int
        Frames to vocode at once, besides their context.
    least : int
        Vocode as soon as this many frames are available; a window by default.

    Yields
    ------
    torch.Tensor
        Consecutive pieces of the waveforms, [B, window * hop_length] at most;
        the last one holds the rest.

    Raises
    ------
    ValueError
        If ``window`` is not positive.

    Example
    -------
    >>> from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder
    >>> vocoder = VocosVocoder(dim=32, intermediate_dim=64, num_layers=2)
    >>> pieces = vocode_in_windows(vocoder, torch.randn(1, 50, 100), 20)
    >>> [piece.shape[1] // 256 for piece in pieces]
    [20, 20, 10]
    """
    least = window if least is None else least
    if window < 1:
        raise ValueError(f"window={window}: give at least one frame.")
    pieces = mel.split(window, dim=1) if torch.is_tensor(mel) else mel
    context, hop = vocoder.context, vocoder.hop_length
    held, done = None, 0  # frames that are kept; how many of them are vocoded

    def vocode(count):
        heard = held[:, : done + count + context]
        return vocoder(heard)[:, done * hop : (done + count) * hop]

    for piece in pieces:
        held = piece if held is None else torch.cat([held, piece], dim=1)
        while (ready := held.shape[1] - done - context) >= least:
            count = min(ready, window)
            yield vocode(count)
            past = max(0, done + count - context)
            held, done = held[:, past:], done + count - past
    while held is not None and held.shape[1] > done:
        count = min(window, held.shape[1] - done)
        yield vocode(count)
        done += count
