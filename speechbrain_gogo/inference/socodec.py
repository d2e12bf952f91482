"""SoCodec: speech to streams of tokens and one embedding, and back.

The interface that users load with ``from_hparams``: a model of this package, or
the weights as their authors released them. Tokens represent content and prosody, the
embedding the voice.
"""

from numbers import Real

import torch
from torch.nn import functional as F

from speechbrain_gogo.inference.checks.settings import (
    check_features,
    check_lens,
)
from speechbrain_gogo.inference.checks.waveforms import check_wav
from speechbrain_gogo.inference.codecs.voiced import VoicedCodec
from speechbrain_gogo.inference.loading.pretrained import load_model
from speechbrain_gogo.inference.loading.socodec_release import load_release


class SoCodec(VoicedCodec):
    """Encodes 16 kHz speech into ordered streams of tokens.

    ``modules`` are ``codec`` (a
    :class:`~speechbrain_gogo.lobes.socodec.codec.SoCodecNetwork`) and
    ``vocoder``. The same audio has the same tokens alone, in a batch and in a
    stream. ``from_hparams`` also takes a folder or hub id with the two files of
    ``hhguo/SoCodec``; its ``overrides`` then replace values of
    ``hparams/socodec.yaml``.

    Example
    -------
    >>> codec = SoCodec.from_hparams("hhguo/SoCodec")  # doctest: +SKIP
    >>> tokens, lens = codec.encode_batch(torch.zeros(1, 16000))
    ... # doctest: +SKIP
    >>> tokens.shape  # doctest: +SKIP
    torch.Size([1, 9, 4])
    """

    @staticmethod
    def _load(folder, overrides, trust_source):
        """The model of a folder, also as its authors released it."""
        if not (folder / "hyperparams.yaml").is_file():
            return load_release(folder, overrides)
        hparams = load_model(folder, overrides, trust_source)
        hparams["modules"]["codec"].ssl.look_in(folder)
        return hparams

    # Methods on precomputed features

    @torch.no_grad()
    def encode_features(self, ssl, mel, lens=None):
        """Tokens and embeddings of features.

        Arguments
        ---------
        ssl : torch.Tensor
            Self-supervised features, [B, 6N, D] of SoCodec-120.
        mel : torch.Tensor
            Log-mel, [B, 12N, n_mels].
        lens : torch.Tensor
            Relative lengths [B] over both, if the batch is padded.

        Returns
        -------
        tuple of torch.Tensor
            Tokens int64 [B, N, S] and embeddings [B, D].

        Raises
        ------
        ValueError
            If features are of another shape or not finite, or lengths are out
            of range.
        """
        codec, device = self.codec, self._device()
        width = codec.encoder.conv_in.in_channels
        ssl = check_features(ssl, width, "ssl", device)
        mel = check_features(mel, codec.mel.n_mels, "mel", device)
        batch, frames = mel.shape[:2]
        if len(ssl) != batch:
            raise ValueError(
                f"ssl are features of {len(ssl)} utterances, mel of {batch}."
            )
        if lens is not None:
            lens = check_lens(lens, batch, frames, "lens", device)
        with self.own_precision():
            return codec.encode_features(ssl, mel, lens)

    # Streams

    @torch.no_grad()
    def encode_stream(self, pieces, latency=None):
        """Encode consecutive pieces of one recording at bounded memory.

        Arguments
        ---------
        pieces : iterable of torch.Tensor
            float [T], mono, at the codec's rate, of any lengths.
        latency : float
            Largest delay of tokens to their audio, in seconds, at least one
            step; for live audio. The self-supervised network then reads each
            segment with preceding audio, up to ``max_seconds``, but without
            later audio, so that tokens differ from those of the whole
            recording. By default it reads ``max_seconds`` at a time.

        Yields
        ------
        torch.Tensor
            Tokens int64 [n, S] of the next steps; concatenated, they are those
            of the whole recording, if ``latency`` is not given.

        Raises
        ------
        ValueError
            If a piece is empty, not finite, not in float or not in [-1, 1], or
            ``latency`` is too small.
        """
        size = self._samples_within(latency)  # new ones in each window
        past = self.codec.window_samples - size  # largest number to read again
        held, new, before = torch.zeros(0, dtype=torch.float32), 0, None
        for piece in pieces:
            piece = check_wav(piece, "cpu")
            held, new = torch.cat([held, piece]), new + len(piece)
            while new >= size:
                new -= size
                end = len(held) - new
                tokens, before = self._encode_window(held[:end], size, before)
                held = held[max(0, end - past) :]
                yield tokens
        if new:
            yield self._encode_window(held, new, before)[0]

    def _samples_within(self, latency):
        """Samples to read at a time, whole steps, for a given ``latency``."""
        longest, step = self.codec.window_samples, self.group_samples
        if latency is None:
            return longest
        if not (
            isinstance(latency, Real) and latency * self.sample_rate >= step
        ):
            raise ValueError(
                f"latency={latency!r}: tokens come {step / self.sample_rate:g} "
                "s after their audio at the earliest; allow for as much."
            )
        samples = int(min(latency * self.sample_rate, longest))
        return samples // step * step

    def _encode_window(self, held, new, before):
        """Tokens [n, S] of the last ``new`` samples of a window [T].

        ``before`` are the features of the preceding steps, or None. Also returns those
        that precede the next window.
        """
        codec = self.codec
        missing = -len(held) % self.group_samples
        steps = (new + missing) // self.group_samples
        with self.own_precision():
            ssl = codec.ssl(F.pad(held, (0, missing)).to(self._device()))
            frames = len(ssl) * self.group_samples // (len(held) + missing)
            seen = ssl[-steps * frames :]
            if before is not None:
                seen = torch.cat([before, seen])
            tokens = codec.tokenize(seen[None])[0]
        return tokens[-steps:], seen[-codec.encoder_context * frames :]
