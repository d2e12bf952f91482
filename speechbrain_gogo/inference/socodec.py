"""SoCodec: speech to streams of tokens and one embedding, and back.

The interface that users load with ``from_hparams``: a model of this package, or
the weights as their authors released them. Tokens say what is said and how, the
embedding says in which voice.
"""

from pathlib import Path

import torch
from torch.nn import functional as F

from speechbrain_gogo.dataio.audio.streaming import stream_audio
from speechbrain_gogo.dataio.audio.writing import audio_path
from speechbrain_gogo.inference.checks import (
    check_embedding,
    check_lengths,
    check_lens,
)
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    source_name,
)
from speechbrain_gogo.inference.loading.socodec_release import (
    is_release,
    load_release,
)
from speechbrain_gogo.inference.pretrained_codec import (
    PretrainedCodec,
    encode_recording,
)
from speechbrain_gogo.inference.waveforms import check_wav, read_wavs
from speechbrain_gogo.lobes.nn.precision import float32_by_default
from speechbrain_gogo.lobes.vocoder.windows import vocode_in_windows

WINDOW = 100  # token steps that are decoded at a time
VOICE_SECONDS = 60  # of a recording, whose embedding is its voice


class SoCodec(PretrainedCodec):
    """Encodes 16 kHz speech into ordered streams of tokens.

    ``modules`` are ``codec`` (a
    :class:`~speechbrain_gogo.lobes.socodec.codec.SoCodecNetwork`) and
    ``vocoder``. The same audio has the same tokens alone, in a batch and in a
    stream.

    Example
    -------
    >>> codec = SoCodec.from_hparams("hhguo/SoCodec")  # doctest: +SKIP
    >>> tokens, lens = codec.encode_batch(torch.zeros(1, 16000))
    ... # doctest: +SKIP
    >>> tokens.shape  # doctest: +SKIP
    torch.Size([1, 9, 4])
    """

    @classmethod
    def from_hparams(
        cls,
        source,
        savedir=None,
        run_opts=None,
        overrides=None,
        trust_source=False,
        **hub_options,
    ):
        """Load a pretrained codec.

        Arguments
        ---------
        source : str | Path
            A folder or a hub id of a model of this package, or with the two
            files of ``hhguo/SoCodec``.
        savedir, run_opts, overrides, trust_source, hub_options
            As of :meth:`PretrainedCodec.from_hparams`; of released weights,
            ``overrides`` replace values of ``hparams/socodec.yaml``.

        Returns
        -------
        SoCodec

        Raises
        ------
        ValueError
            If there is no such model, it is not to be trusted, or its weights
            do not match.
        """
        folder = Path(source)
        if not is_release(folder):
            # With the folder of the self-supervised network.
            folder = find_source(source, savedir, True, **hub_options)
        if (folder / "hyperparams.yaml").is_file() or not is_release(folder):
            codec = super().from_hparams(
                folder, None, run_opts, overrides, trust_source
            )
            codec.name = source_name(source)
            codec.codec.ssl.look_in(folder)
            return codec
        with float32_by_default():
            hparams = load_release(folder, overrides)
            modules, name = hparams["modules"], source_name(source)
            return cls(modules, hparams, run_opts, name=name)

    # Features that are given

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
        """
        ssl, mel = ssl.to(self._device()), mel.to(self._device())
        with self.own_precision():
            return self.codec.encode_features(ssl, mel, lens)

    @torch.no_grad()
    def decode_mel(self, codes, embedding=None, keep=None):
        """Log-mel of tokens.

        Arguments
        ---------
        codes : torch.Tensor
            int64 [B, N, S], or [B, N]: the first stream.
        embedding : torch.Tensor
            Global embeddings [B, D] or [D]; the model's mean one by default.
        keep : int | torch.Tensor
            Use only the first so many streams, of every step or int64 [B, N].

        Returns
        -------
        torch.Tensor
            [B, 12N, n_mels] of SoCodec-120.
        """
        codes = torch.as_tensor(codes)
        codes = codes.unsqueeze(-1) if codes.dim() == 2 else codes
        codes = self._read_tokens(codes, keep)
        with self.own_precision():
            embedding = self._read_embedding(embedding, len(codes))
            return self.codec.decode_mel(codes, embedding).float()

    # The voice

    @torch.no_grad()
    def speaker_embedding(self, wavs, wav_lens=None, sample_rate=None):
        """Global embeddings of utterances: voice, style and recording.

        Arguments
        ---------
        wavs, wav_lens, sample_rate
            As of :meth:`encode_batch`.

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
        """The embedding, for ``decode_batch``."""
        return {"embedding": self.speaker_embedding(wavs, wav_lens)}

    def file_embedding(self, path):
        """Global embedding [D] of an audio file, of its first minute."""
        pieces, left = [], VOICE_SECONDS * self.sample_rate
        for piece in stream_audio(path, self.sample_rate):
            pieces.append(piece[:left])
            left -= len(pieces[-1])
            if not left:
                break
        return self.speaker_embedding(torch.cat(pieces)[None])[0]

    # Streams and batches

    @torch.no_grad()
    def encode_stream(self, pieces):
        """Encode consecutive pieces of one recording at bounded memory.

        Arguments
        ---------
        pieces : iterable of torch.Tensor
            float [T], mono, at the codec's rate, of any lengths.

        Yields
        ------
        torch.Tensor
            Tokens int64 [n, S] of the next steps; joined, they are those of
            the whole recording.

        Raises
        ------
        ValueError
            If a piece is empty, not finite, not in float or not in [-1, 1].
        """
        window = self.codec.window_samples
        held, before = torch.zeros(0, dtype=torch.float32), None
        for piece in pieces:
            held = torch.cat([held, check_wav(piece, "cpu")])
            while len(held) > window:
                tokens, before = self._encode_window(held[:window], before)
                held = held[window:]
                yield tokens
        if len(held):
            yield self._encode_window(held, before)[0]

    @torch.no_grad()
    def decode_stream(
        self, tokens, keep=None, embedding=None, num_samples=None
    ):
        """Decode one token matrix, yielding audio as it is made.

        Arguments
        ---------
        tokens : torch.Tensor | iterable of torch.Tensor
            int64 [N, S]; or pieces [n, S] of it, which need not exist before
            they are asked for.
        keep, embedding, num_samples
            As in :meth:`decode_batch`, of one utterance.

        Yields
        ------
        torch.Tensor
            Consecutive pieces of the waveform, float32 [T]; joined they are
            what :meth:`decode_batch` gives.

        Raises
        ------
        ValueError
            If tokens, keep or the length are out of range, saying where.
        """
        if torch.is_tensor(tokens):
            keep = (
                torch.as_tensor(keep)[None] if torch.is_tensor(keep) else keep
            )
            tokens = self._read_tokens(tokens[None], keep)[0]
            longest = [len(tokens) * self.group_samples]
            left = check_lengths(num_samples, longest)[0]
            pieces = tokens.split(WINDOW)
        else:
            pieces = (self._read_tokens(each[None], keep)[0] for each in tokens)
            left = float("inf") if num_samples is None else num_samples
        embedding = self._read_embedding(embedding, 1)
        audio = vocode_in_windows(
            self.vocoder,
            self._mel_pieces(pieces, embedding),
            WINDOW * self.group_size,
            least=1,
        )
        while left > 0:
            with self.own_precision():  # not while the caller is at work
                wav = next(audio, None)
            if wav is None:
                return
            wav = wav[0].float()
            wav = wav[: min(left, len(wav))]
            left -= len(wav)
            yield wav

    def decode_groups(self, groups, **settings):
        """Decode steps of tokens that arrive one by one.

        Arguments
        ---------
        groups : iterable of torch.Tensor
            int64 [S] each.
        **settings
            As in :meth:`decode_stream`.

        Returns
        -------
        iterator of torch.Tensor
            float32 [T] each.
        """
        return self.decode_stream((step[None] for step in groups), **settings)

    @torch.no_grad()
    def decode_batch(
        self, tokens, lens=None, keep=None, embedding=None, num_samples=None
    ):
        """Decode token matrices, each as if it were alone.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, S], S at most 4; ``mask_id`` where a token is not
            used.
        lens : torch.Tensor
            Relative lengths [B] over N.
        keep : int | torch.Tensor
            Use only the first so many streams, of every step or int64 [B, N].
        embedding : torch.Tensor
            Global embeddings [B, D] or [D], of any utterances: whose voice is
            heard. The model's mean one by default (of released weights, which
            have none, zeros).
        num_samples : int | sequence of int
            Length of the audio, where it is known (of each utterance).

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
        tokens = self._read_tokens(tokens, keep)
        batch, steps = tokens.shape[:2]
        counts = [steps] * batch
        if lens is not None:
            lens = check_lens(lens, batch, steps, "lens", tokens.device)
            counts = (lens * steps).round().long().tolist()
        longest = [count * self.group_samples for count in counts]
        lengths = check_lengths(num_samples, longest)
        embedding = self._read_embedding(embedding, batch)
        wavs = torch.zeros(batch, max(lengths), device=tokens.device)
        for b, size in enumerate(lengths):
            audio = self.decode_stream(
                tokens[b, : counts[b]], None, embedding[b], size
            )
            wavs[b, :size] = torch.cat(list(audio))
        wav_lens = torch.tensor(lengths, device=wavs.device) / wavs.shape[1]
        return wavs, wav_lens

    def reconstruct_file(
        self, path, out_path, keep=None, embedding=None, **settings
    ):
        """Encode a file and decode it again, at its original length.

        Arguments
        ---------
        path : str | Path
            Audio file to read.
        out_path : str | Path
            Audio file to write.
        keep : int
            Streams to use; all by default.
        embedding : torch.Tensor
            [D], another voice; the file's own by default.
        **settings
            As in :meth:`decode_stream`.

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
        if embedding is None:
            embedding = self.file_embedding(path)
        settings = {"num_samples": num_samples, "keep": keep, **settings}
        return self.decode_file(
            tokens, out_path, embedding=embedding, **settings
        )

    # Small steps

    def _read_embedding(self, embedding, batch):
        """Embeddings [B, D], checked; the mean one if there are none."""
        if embedding is None:
            embedding = self.codec.mean_embedding
        dim, device = len(self.codec.mean_embedding), self._device()
        return check_embedding(embedding, batch, dim, device)

    def _encode_window(self, held, before):
        """Tokens [n, S] of samples [T], and the features that come before."""
        codec = self.codec
        missing = -len(held) % self.group_samples
        with self.own_precision():
            ssl = codec.ssl(F.pad(held, (0, missing)).to(self._device()))
            seen = ssl if before is None else torch.cat([before, ssl])
            tokens = codec.tokenize(seen[None])[0]
        steps = (len(held) + missing) // self.group_samples
        frames = codec.encoder_context * (len(ssl) // steps)
        return tokens[-steps:], seen[-frames:]

    def _mel_pieces(self, pieces, embedding):
        """Log-mel [1, F, d] of pieces of tokens [n, S], as they come."""
        context, before = self.codec.decoder_context, None
        for tokens in pieces:
            seen = tokens if before is None else torch.cat([before, tokens])
            mel = self.codec.decode_mel(seen[None], embedding)
            yield mel[:, -len(tokens) * self.group_size :].float()
            before = seen[-context:]
