"""From audio files to token files and back, at bounded memory.

GogoCodec encodes and decodes, token_file.py knows the format; here the two
meet, so that the sample count of a recording travels with its tokens.
"""

import torch

from speechbrain_gogo.dataio.streaming import stream_audio
from speechbrain_gogo.inference.codec import CountedPieces
from speechbrain_gogo.inference.token_file import load_tokens, save_tokens


def encode_into(codec, path, token_path):
    """Encode an audio file into a token file.

    Arguments
    ---------
    codec : GogoCodec
        The codec, whose fingerprint the token file keeps.
    path : str | Path
        Audio of any length, rate and number of channels.
    token_path : str | Path
        Token file to write; folders are made.

    Returns
    -------
    tuple
        Tokens int64 [N, K], and the number of samples they stand for, at
        the codec's rate.

    Raises
    ------
    ValueError
        If the audio is missing, broken, empty or not finite.
    """
    pieces = CountedPieces(stream_audio(path, codec.sample_rate))
    tokens = torch.cat(list(codec.encode_stream(pieces)))
    samples = pieces.samples
    save_tokens(token_path, tokens, samples, codec.fingerprint, codec.name)
    return tokens, samples


def decode_from(codec, token_path, out_path, **settings):
    """Decode a token file into an audio file of the original's length.

    Arguments
    ---------
    codec : GogoCodec
        The codec that made the tokens.
    token_path : str | Path
        Token file to read.
    out_path : str | Path
        Audio file to write; folders are made.
    **settings
        ``keep``, ``num_steps``, ``guidance_scale`` and ``seed`` of
        :meth:`GogoCodec.decode_stream`.

    Returns
    -------
    int
        Samples written.

    Raises
    ------
    ValueError
        If it is no token file, another codec's, or a setting is out of
        range.
    """
    found = load_tokens(token_path, codec)
    codec.decode_file(
        found.tokens, out_path, num_samples=found.num_samples, **settings
    )
    return found.num_samples
