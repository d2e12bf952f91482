"""Methods of pretrained codecs on audio files, in bounded memory."""

from pathlib import Path

import torch

from speechbrain_gogo.dataio.audio.files import stream_audio
from speechbrain_gogo.dataio.audio.writing import audio_path, written_audio


class FileCodec:
    """Methods on files, for a codec with ``encode_stream`` and ``decode_stream``."""

    def encode_file(self, path):
        """Encode an audio file of any length, rate and number of channels.

        Arguments
        ---------
        path : str | Path
            Any format of libsndfile.

        Returns
        -------
        torch.Tensor
            Tokens int64 [N, K].

        Raises
        ------
        ValueError
            If the file is missing, broken or empty.
        """
        return encode_recording(self, path)[0]

    def decode_file(self, tokens, out_path, **settings):
        """Decode one token matrix into an audio file, at bounded memory.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [N, K].
        out_path : str | Path
            Audio file to write (WAV, FLAC, OGG, MP3 by its suffix).
        **settings
            As in ``decode_stream``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            If the suffix names no audio format, or tokens, keep or the
            length are out of range; the error names the position.
        """
        with written_audio(out_path, self.sample_rate) as write:
            for audio in self.decode_stream(tokens, **settings):
                write(audio)
        return Path(out_path)

    def reconstruct_file(self, path, out_path, keep=None, **settings):
        """Encode and decode a file; the result has the original length.

        Arguments
        ---------
        path : str | Path
            Audio file to read.
        out_path : str | Path
            Audio file to write.
        keep : int
            Tokens of each group to use; all by default.
        **settings
            As in ``decode_stream``. Side information, such as ``embedding``, is
            by default that of the file.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            As :meth:`encode_file` and :meth:`decode_file` do.
        """
        out_path = audio_path(out_path)  # before the long work
        tokens, num_samples = encode_recording(self, path)
        given = {k: v for k, v in settings.items() if v is not None}
        settings = {
            "num_samples": num_samples,
            "keep": keep,
            **self.file_side_information(path),
            **given,
        }
        return self.decode_file(tokens, out_path, **settings)

    def file_side_information(self, path):
        """Side information for decoding an audio file, besides its tokens.

        Arguments of ``decode_stream``, tensors by name; none if tokens are
        enough.
        """
        return {}


def read_beginning(path, sample_rate, samples):
    """The first samples of an audio file, float32 [T], at a rate in Hz."""
    pieces, left = [], samples
    for piece in stream_audio(path, sample_rate):
        pieces.append(piece[:left])
        left -= len(pieces[-1])
        if not left:
            break
    return torch.cat(pieces)


def encode_recording(codec, path):
    """Tokens [N, K] of an audio file, and its number of samples at the codec's rate."""
    lengths = []

    def counted():
        for piece in stream_audio(path, codec.sample_rate):
            lengths.append(len(piece))
            yield piece

    tokens = torch.cat(list(codec.encode_stream(counted())))
    return tokens, sum(lengths)
