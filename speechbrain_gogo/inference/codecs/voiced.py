"""Base class of codecs with a global embedding, SoCodec and CoFi-Codec.

Tokens represent the content, and the global embedding the voice. Both are decoded
here, as batches, streams and files; a subclass encodes.
"""

import torch

from speechbrain_gogo.inference.checks.settings import (
    as_numbers,
    check_embedding,
    check_lengths,
)
from speechbrain_gogo.inference.checks.waveforms import read_wavs
from speechbrain_gogo.inference.codecs.files import read_beginning
from speechbrain_gogo.inference.codecs.pretrained import PretrainedCodec
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows

WINDOW = 100  # groups that are decoded at a time
VOICE_SECONDS = 60  # at the start of a recording, for its embedding


class VoicedCodec(PretrainedCodec):
    """Tokens and a global embedding to speech.

    ``modules.codec`` has ``decode_mel``, ``speaker_embedding``,
    ``mean_embedding`` and ``decoder_context``, the number of earlier groups on
    which a group's mel depends. A subclass implements ``encode_stream``.
    """

    @property
    def voice_samples(self):
        """Samples of a recording whose embedding is its voice."""
        return VOICE_SECONDS * self.sample_rate

    # The voice

    @torch.no_grad()
    def speaker_embedding(self, wavs, wav_lens=None, sample_rate=None):
        """Global embeddings of utterances: voice, style and acoustic environment.

        Arguments
        ---------
        wavs, wav_lens, sample_rate
            As in :meth:`encode_batch`.

        Returns
        -------
        torch.Tensor
            [B, D], for the ``embedding`` of :meth:`decode_batch`.

        Raises
        ------
        ValueError
            As :meth:`encode_batch` does.
        """
        wavs, wav_lens = read_wavs(
            wavs, wav_lens, sample_rate, self.sample_rate, self._device()
        )
        with self.own_precision():
            return self.codec.speaker_embedding(wavs, wav_lens).float()

    def side_information(self, wavs, wav_lens=None):
        """The ``embedding`` [B, D], for ``decode_batch``."""
        return {"embedding": self.speaker_embedding(wavs, wav_lens)}

    def file_side_information(self, path):
        """The ``embedding`` [D], for ``decode_stream``."""
        return {"embedding": self.file_embedding(path)}

    def file_embedding(self, path):
        """Global embedding [D] of the first minute of an audio file."""
        wav = read_beginning(path, self.sample_rate, self.voice_samples)
        return self.speaker_embedding(wav[None])[0]

    # Streams and batches

    @torch.no_grad()
    def decode_stream(
        self, tokens, keep=None, embedding=None, num_samples=None
    ):
        """Decode one token matrix and yield audio in chunks.

        Arguments
        ---------
        tokens : torch.Tensor | iterable of torch.Tensor
            int64 [N, K]; or an iterable of pieces [n, K] of it, read one by one.
        keep, embedding, num_samples
            As in :meth:`decode_batch`, of one utterance.

        Yields
        ------
        torch.Tensor
            Chunks of the waveform, float32 [T]; concatenated, they are the result
            of :meth:`decode_batch`.

        Raises
        ------
        ValueError
            If tokens, keep or the length are out of range; the error names the
            position.
        """
        if torch.is_tensor(tokens):
            tokens = self._read_one(tokens, keep)
            longest = [len(tokens) * self.group_samples]
            left = check_lengths(num_samples, longest)[0]
            pieces = tokens.split(WINDOW)
        else:
            pieces = (self._read_one(each, keep) for each in tokens)
            left = float("inf") if num_samples is None else num_samples
        embedding = self._read_embedding(embedding, 1)
        audio = vocode_in_windows(
            self.vocoder,
            self._mel_pieces(pieces, embedding),
            WINDOW * self.group_size,
            # A vocoder that reads far ahead (Griffin-Lim) is late anyway.
            least=max(1, self.vocoder.context // 4),
        )
        for wav in self._in_own_precision(audio):
            wav = wav[0].float()
            wav = wav[: min(left, len(wav))]
            left -= len(wav)
            yield wav
            if left <= 0:
                return

    def decode_groups(self, groups, **settings):
        """Decode groups of tokens int64 [K] that arrive one by one.

        An iterator of float32 [T]; ``settings`` as in :meth:`decode_stream`.
        """
        return self.decode_stream((group[None] for group in groups), **settings)

    @torch.no_grad()
    def decode_batch(
        self, tokens, lens=None, keep=None, embedding=None, num_samples=None
    ):
        """Decode token matrices, each independent of the batch.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K]; ``mask_id`` where a token is not used.
        lens : torch.Tensor
            Relative lengths [B] over N.
        keep : int | torch.Tensor
            Number of levels to use, from the first; or int64 [B, N], for each
            group.
        embedding : torch.Tensor
            Global embeddings [B, D] or [D], of any utterances with the desired
            voice. By default the model's mean embedding (zeros for released
            weights, which have none).
        num_samples : int | sequence of int
            Length of the audio (of each utterance), if known.

        Returns
        -------
        tuple of torch.Tensor
            Waveforms [B, T] and relative lengths [B].

        Raises
        ------
        ValueError
            If tokens, keep, lengths or embeddings are out of range, saying
            where.
        """
        tokens = self._read_tokens(tokens, keep, lens)
        batch, counts = len(tokens), self._count_groups(tokens, lens)
        longest = [count * self.group_samples for count in counts]
        lengths = check_lengths(num_samples, longest)
        embedding = self._read_embedding(embedding, batch)
        real = {"dtype": torch.float32, "device": tokens.device}
        wavs = torch.zeros(batch, max(lengths), **real)
        for b, size in enumerate(lengths):
            audio = self.decode_stream(
                tokens[b, : counts[b]], None, embedding[b], size
            )
            wavs[b, :size] = torch.cat(list(audio))
        wav_lens = torch.tensor(lengths, **real) / wavs.shape[1]
        return wavs, wav_lens

    @torch.no_grad()
    def decode_mel(self, codes, embedding=None, keep=None):
        """Log-mel of tokens.

        Arguments
        ---------
        codes : torch.Tensor
            int64 [B, N, K], or fewer columns; or [B, N], the first one.
        embedding : torch.Tensor
            Global embeddings [B, D] or [D]; the model's mean embedding by
            default.
        keep : int | torch.Tensor
            Number of levels to use, from the first; or int64 [B, N], for each
            group.

        Returns
        -------
        torch.Tensor
            [B, N * group_size, n_mels].
        """
        codes = as_numbers(codes, "codes")
        codes = codes.unsqueeze(-1) if codes.dim() == 2 else codes
        codes = self._read_tokens(codes, keep)
        with self.own_precision():
            embedding = self._read_embedding(embedding, len(codes))
            return self.codec.decode_mel(codes, embedding).float()

    # Small steps

    def _read_embedding(self, embedding, batch):
        """Checked embeddings [B, D]; the mean embedding if None."""
        if embedding is None:
            embedding = self.codec.mean_embedding
        dim, device = len(self.codec.mean_embedding), self._device()
        return check_embedding(embedding, batch, dim, device)

    def _mel_pieces(self, pieces, embedding):
        """Log-mel [1, F, d] of pieces of tokens [n, K], as they arrive."""
        context, before = self.codec.decoder_context, None
        for tokens in pieces:
            seen = tokens if before is None else torch.cat([before, tokens])
            mel = self.codec.decode_mel(seen[None], embedding)
            yield mel[:, -len(tokens) * self.group_size :].float()
            before = seen[-context:]
