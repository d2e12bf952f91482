"""Methods of GogoCodec on streams, in bounded memory.

Audio is processed piece by piece. Tokens and samples equal those of the methods on
tensors in inference/codec.py: samples up to rounding, tokens on a GPU, too.
"""

from itertools import islice
from numbers import Real

import torch

from speechbrain_gogo.inference.checks.settings import (
    check_lengths,
    check_sampling,
)
from speechbrain_gogo.inference.checks.waveforms import check_wav
from speechbrain_gogo.inference.codecs.pretrained import PretrainedCodec
from speechbrain_gogo.inference.streaming.decoding import decode_mel, windows
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows


class StreamingCodec(PretrainedCodec):
    """Streams, for a codec that has ``codec`` and ``vocoder``.

    A subclass loads them; the YAML's ``window_groups`` and ``overlap_groups``
    set the windows in which long audio is decoded.
    """

    @torch.no_grad()
    def encode_stream(self, pieces, latency=None):
        """Encode consecutive pieces of one recording at bounded memory.

        Arguments
        ---------
        pieces : iterable of torch.Tensor | numpy.ndarray
            float [T], mono, at the codec's rate, of any lengths; [1, T] and
            [1, 1, T] as well.
        latency : float
            Largest delay of tokens to their audio, in seconds, for live audio;
            at least a group and half a mel window (0.22 at paper size). By
            default the fastest number of groups is encoded at a time.

        Yields
        ------
        torch.Tensor
            Tokens int64 [n, 10] of the next groups; concatenated, they are the
            tokens of the whole recording, on a GPU up to rounding.

        Raises
        ------
        ValueError
            If a piece is empty, not finite, not in float or not in [-1, 1], or
            ``latency`` is too small.
        """
        codec, step = self.codec, self.group_samples
        ahead = codec.mel.n_fft - codec.mel.hop_length - codec.mel.margin
        size = self._groups_within(latency, ahead)
        held = torch.zeros(codec.mel.margin, dtype=torch.float32)
        samples = encoded = 0
        for piece in pieces:
            piece = check_wav(piece, "cpu")
            held = torch.cat([held, piece])
            samples += len(piece)
            # The same windows as in `encode`, for pieces of any length.
            while (samples - ahead) // step - encoded >= size:
                yield self._encode_groups(held, size)
                held = held[size * step :]
                encoded += size
        missing = codec.window_samples(-(-samples // step) - encoded)
        held = torch.nn.functional.pad(held, (0, max(missing - len(held), 0)))
        while rest := min(-(-samples // step) - encoded, size):
            yield self._encode_groups(held, rest)
            held = held[rest * step :]
            encoded += rest

    @torch.no_grad()
    def decode_stream(
        self,
        tokens,
        keep=None,
        num_steps=None,
        guidance_scale=None,
        seed=0,
        num_samples=None,
    ):
        """Decode one token matrix and yield audio in pieces.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [N, K].
        keep, num_steps, guidance_scale, seed, num_samples
            As in :meth:`GogoCodec.decode_batch`.

        Yields
        ------
        torch.Tensor
            Consecutive pieces of the waveform, float32 [T]; concatenated, they
            are the result of :meth:`GogoCodec.decode_batch`, up to rounding.

        Raises
        ------
        ValueError
            If tokens, keep or the length are out of range; raised
            before the first piece.
        """
        tokens = self._read_one(tokens, keep)[None]
        counts = [tokens.shape[1]]
        sampling = check_sampling(num_steps, guidance_scale, seed)
        longest = tokens.shape[1] * self.group_samples
        left = check_lengths(num_samples, [longest])[0]
        mels = self._mel_pieces(tokens, counts, seed, sampling)
        pieces = self._vocode(piece.float() for piece, _ in mels)
        while left > 0:
            with self.own_precision():  # does not apply to the caller
                audio = next(pieces)[0, :left].float()
            left -= len(audio)
            yield audio

    @torch.no_grad()
    def decode_groups(
        self,
        groups,
        first_window,
        overlap,
        seed=0,
        num_steps=None,
        guidance_scale=None,
    ):
        """Decode groups as they arrive.

        Windows overlap and are cross-faded, and the noise of a frame depends on
        its index only: the audio does not depend on when the groups arrive. The
        longest window is ``window_groups`` of the YAML.

        Arguments
        ---------
        groups : iterable of torch.Tensor
            int64 [K] each.
        first_window : int
            Groups of the first window, which is short for an early first chunk;
            each following one is 1.5 times as long.
        overlap : int
            Groups that two windows share, at most half of the first one.
        seed, num_steps, guidance_scale
            As in :meth:`GogoCodec.decode_batch`.

        Yields
        ------
        torch.Tensor
            Consecutive chunks of audio, float32 [T].

        Example
        -------
        >>> from speechbrain_gogo.inference import GogoCodec
        >>> codec = GogoCodec.from_hparams("gogo-mini")
        >>> pieces = codec.decode_groups(torch.zeros(9, 10).long(), 4, 1)
        >>> sum(len(piece) for piece in pieces) // codec.group_samples
        9
        """
        groups, received = iter(groups), []

        def read_until(stop):
            received.extend(islice(groups, max(stop - len(received), 0)))
            tokens = torch.stack(received).unsqueeze(0) if received else None
            return tokens, [len(received)], len(received) < stop

        longest = self.hparams.window_groups
        mels = decode_mel(
            self.codec,
            read_until,
            windows(longest, overlap, first_window),
            longest - self.hparams.overlap_groups,  # noise as in whole decoding
            seed,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
        )
        pieces = self._vocode((piece.float() for piece, _ in mels), least=1)
        for audio in self._in_own_precision(pieces):
            yield audio[0].float()

    # Small steps

    def _groups_within(self, latency, ahead):
        """Number of groups to encode at a time, for a given ``latency``."""
        if latency is None:
            return self.codec.window_size
        least = (self.group_samples + ahead) / self.sample_rate
        if not (isinstance(latency, Real) and latency >= least):
            raise ValueError(
                f"latency={latency!r}: tokens come {least:.3f} s after their "
                "audio at the earliest; allow for as much."
            )
        groups = (latency * self.sample_rate - ahead) / self.group_samples
        # At least one, if the smallest latency is rounded down.
        return max(1, int(min(groups, self.codec.window_size)))

    def _encode_groups(self, held, count):
        """Tokens [n, K] of the first groups of a stretch of audio."""
        stretch = held[: self.codec.window_samples(count)]
        with self.own_precision():
            stretch = stretch.unsqueeze(0).to(self._device())
            return self.codec.encode_window(stretch)[0]

    def _mel_pieces(self, tokens, counts, seed, sampling):
        """Pieces of log-mel, each with its utterance's index in the batch."""
        window = self.hparams.window_groups
        overlap = self.hparams.overlap_groups
        places, block = windows(window, overlap), window - overlap
        return decode_mel(
            self.codec,
            lambda _: (tokens, counts, True),
            places,
            block,
            seed,
            **sampling,
        )

    def _vocode(self, pieces, least=None):
        """Pieces of audio from consecutive pieces of log-mel."""
        window = self.hparams.window_groups * self.group_size
        return vocode_in_windows(self.vocoder, pieces, window, least)
