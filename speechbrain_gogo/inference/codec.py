"""GogoCodec: speech to granularity-ordered tokens and back.

The interface that users load with ``from_hparams``. It checks what it is
given, cuts long audio into windows, and leaves the networks to lobes/.
"""

import hashlib
from pathlib import Path

import soundfile
import torch
from speechbrain.dataio.preprocess import AudioNormalizer
from speechbrain.inference.interfaces import Pretrained

from speechbrain_gogo.dataio.streaming import stream_audio
from speechbrain_gogo.inference.checks import (
    check_lengths,
    check_lens,
    check_level,
    check_sampling,
    check_tokens,
    check_wavs,
    mask_dropped,
    resample,
)
from speechbrain_gogo.inference.decoding import decode_mel
from speechbrain_gogo.inference.loading import find_source, load_model
from speechbrain_gogo.lobes.granular import GranularCodec
from speechbrain_gogo.lobes.vocoder import vocode_in_windows


class GogoCodec(Pretrained, GranularCodec):
    """Encodes 24 kHz speech into groups of coarse-to-fine tokens.

    ``modules`` are ``codec`` (a :class:`~speechbrain_gogo.lobes.gogo.Gogo`)
    and ``vocoder``. The YAML's ``window_groups`` and ``overlap_groups`` say
    how long audio is decoded.

    Example
    -------
    >>> codec = GogoCodec.from_hparams("gogo-mini")
    >>> tokens, lens = codec.encode_batch(torch.zeros(1, 24000))
    >>> tokens.shape
    torch.Size([1, 5, 10])
    >>> wavs, wav_lens = codec.decode_batch(tokens, lens, num_samples=24000)
    >>> wavs.shape
    torch.Size([1, 24000])
    """

    HPARAMS_NEEDED = ["modules", "window_groups", "overlap_groups"]
    MODULES_NEEDED = ["codec", "vocoder"]

    def __init__(self, *args, name="codec", **kwargs):
        super().__init__(*args, **kwargs)
        for needed in self.MODULES_NEEDED:
            if needed not in self.mods:
                raise ValueError(f"The model's YAML has no module '{needed}'.")
        codec = self.mods.codec
        self.name = name
        self.sample_rate = codec.sample_rate
        self.vocab_size = codec.vocab_size
        self.num_codebooks = codec.num_codebooks
        self.group_size = codec.group_size
        self.backbone_size = codec.backbone_size
        self.group_samples = codec.group_samples
        self.audio_normalizer = AudioNormalizer(self.sample_rate)
        self._fingerprint = None

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
            A folder, a bundled name ("gogo-mini"), or a hub id.
        savedir : str | Path
            Where files from the hub are put; its own cache by default.
        run_opts : dict
            SpeechBrain run options, such as ``{"device": "cuda"}``.
        overrides : dict
            Replace values of the model's YAML.
        trust_source : bool
            Run whatever the YAML names, not only classes of SpeechBrain,
            this package, torch, transformers and vocos.
        **hub_options
            ``revision``, ``token`` of huggingface_hub.

        Returns
        -------
        GogoCodec

        Raises
        ------
        ValueError
            If there is no such model, it is not to be trusted, or its
            weights do not match.
        """
        folder = find_source(source, savedir, **hub_options)
        hparams = load_model(folder, overrides, trust_source)
        modules = hparams["modules"]
        name = Path(folder).name
        return cls(modules, hparams, run_opts, name=name)

    @property
    def codec(self):
        """The networks, a :class:`~speechbrain_gogo.lobes.gogo.Gogo`."""
        return self.mods.codec

    @property
    def vocoder(self):
        """Log-mel [B, T, d] to waveform."""
        return self.mods.vocoder

    @property
    def fingerprint(self):
        """16 hex digits that tell this codec's tokens from any other's."""
        if self._fingerprint is None:
            codec = self.codec
            numbers = (
                self.sample_rate,
                self.group_size,
                codec.mel_mean,
                codec.mel_std,
                codec.quantizer._levels.tolist(),
            )
            digest = hashlib.sha256(repr(numbers).encode())
            for part in (codec.encoder, codec.quantizer):
                for key, value in sorted(part.state_dict().items()):
                    digest.update(key.encode())
                    digest.update(value.float().cpu().numpy().tobytes())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    # Audio to tokens

    def encode(self, wavs, wav_lens=None):
        """Same as :meth:`encode_batch`."""
        return self.encode_batch(wavs, wav_lens)

    @torch.no_grad()
    def encode_batch(
        self, wavs, wav_lens=None, sample_rate=None, num_tokens=None
    ):
        """Encode waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            [B, T] in [-1, 1], or [B, T, C], which is downmixed.
        wav_lens : torch.Tensor
            Relative lengths [B].
        sample_rate : int
            Of ``wavs``, in Hz, if it is not the codec's own.
        num_tokens : int
            Only the first so many tokens of each group; b of them, the
            backbone, cost a quarter less than all.

        Returns
        -------
        tuple of torch.Tensor
            Tokens int64 [B, N, 10], zero beyond an utterance's end, and
            relative lengths [B] over N.

        Raises
        ------
        ValueError
            If the audio is empty, not finite, not in float or not in
            [-1, 1], or the rate or the lengths make no sense.
        """
        wavs = check_wavs(wavs, self._device())
        if wav_lens is not None:
            wav_lens = check_lens(
                wav_lens, *wavs.shape, "wav_lens", wavs.device
            )
        if sample_rate not in (None, self.sample_rate):
            wavs, wav_lens = resample(
                wavs, wav_lens, sample_rate, self.sample_rate
            )
        if num_tokens is not None:
            check_level(num_tokens, self.num_codebooks, "num_tokens")
        with self.inference_ctx:
            return self.codec.encode(wavs, wav_lens, num_tokens)

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
            Tokens int64 [n, 10] of the next groups; joined, they are the
            tokens of the whole recording.
        """
        codec, step = self.codec, self.group_samples
        ahead = codec.mel.n_fft - codec.mel.hop_length - codec.mel.margin
        held = torch.zeros(codec.mel.margin)
        samples = encoded = 0
        for piece in pieces:
            piece = check_wavs(piece.unsqueeze(0), "cpu")[0]
            held = torch.cat([held, piece])
            samples += len(piece)
            groups = (samples - ahead) // step - encoded
            if groups >= codec.window_size:
                yield self._encode_groups(held, groups)
                held = held[groups * step :]
                encoded += groups
        rest = -(-samples // step) - encoded
        if rest:
            missing = codec.window_samples(rest) - len(held)
            held = torch.nn.functional.pad(held, (0, max(missing, 0)))
            yield self._encode_groups(held, rest)

    def _encode_groups(self, held, count):
        """Tokens [n, K] of the first groups of a stretch of audio."""
        stretch = held[: self.codec.window_samples(count)]
        with self.inference_ctx:
            stretch = stretch.unsqueeze(0).to(self._device())
            return self.codec.encode_window(stretch)[0]

    def encode_file(self, path):
        """Encode an audio file of any length, rate and number of channels.

        Arguments
        ---------
        path : str | Path
            Any format of libsndfile.

        Returns
        -------
        torch.Tensor
            Tokens int64 [N, 10].

        Raises
        ------
        ValueError
            If the file is missing, broken or empty.
        """
        pieces = stream_audio(path, self.sample_rate)
        return torch.cat(list(self.encode_stream(pieces)))

    # Tokens to audio

    def decode(self, tokens, lens=None):
        """The waveforms of :meth:`decode_batch`, with its defaults."""
        return self.decode_batch(tokens, lens)[0]

    @torch.no_grad()
    def decode_batch(
        self,
        tokens,
        lens=None,
        keep=None,
        num_steps=None,
        guidance_scale=None,
        seed=0,
        num_samples=None,
    ):
        """Decode token matrices.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K], K at most 10; ``mask_id`` where a token is not
            used.
        lens : torch.Tensor
            Relative lengths [B] over N.
        keep : int | torch.Tensor
            Use only the first so many tokens of every group, or int64
            [B, N]: of each group.
        num_steps : int
            Flow steps; the model's own number by default.
        guidance_scale : float
            Classifier-free guidance, 0 is without; the model's own by
            default.
        seed : int
            Of the initial noise.
        num_samples : int | sequence of int
            Length of the audio, where it is known (of each utterance).

        Returns
        -------
        tuple of torch.Tensor
            Waveforms [B, T] and relative lengths [B].

        Raises
        ------
        ValueError
            If tokens, keep or lengths are out of range, saying where.
        """
        tokens = self._prefix(self._check_tokens(tokens), keep)
        batch, groups = tokens.shape[:2]
        counts = [groups] * batch
        if lens is not None:
            lens = check_lens(lens, batch, groups, "lens", tokens.device)
            counts = (lens.double() * groups).round().long().tolist()
        sampling = check_sampling(num_steps, guidance_scale)
        longest = [count * self.group_samples for count in counts]
        lengths = check_lengths(num_samples, longest)

        found = [[] for _ in range(batch)]
        with self.inference_ctx:
            for piece, b in self._mel_pieces(tokens, counts, seed, sampling):
                found[b].append(piece.float())
            wavs = torch.zeros(batch, max(lengths), device=tokens.device)
            for b, pieces in enumerate(found):
                start = 0
                for audio in self._vocode(pieces):
                    stop = min(start + audio.shape[1], lengths[b])
                    wavs[b, start:stop] = audio[0, : stop - start]
                    start = stop
                pieces.clear()
        wav_lens = torch.tensor(lengths, device=wavs.device) / wavs.shape[1]
        return wavs, wav_lens

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
        """Decode one token matrix, yielding audio as it is made.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [N, K].
        keep, num_steps, guidance_scale, seed, num_samples
            As in :meth:`decode_batch`.

        Yields
        ------
        torch.Tensor
            Consecutive pieces of the waveform, float32 [T]; joined they are
            what :meth:`decode_batch` gives.
        """
        tokens = self._check_tokens(tokens.unsqueeze(0))
        if keep is not None:
            keep = torch.as_tensor(keep)
            keep = keep.unsqueeze(0) if keep.dim() == 1 else keep
        tokens = self._prefix(tokens, keep)
        counts = [tokens.shape[1]]
        sampling = check_sampling(num_steps, guidance_scale)
        longest = tokens.shape[1] * self.group_samples
        left = check_lengths(num_samples, [longest])[0]
        mels = self._mel_pieces(tokens, counts, seed, sampling)
        pieces = self._vocode(piece.float() for piece, _ in mels)
        while left > 0:
            with self.inference_ctx:  # not while the caller is at work
                audio = next(pieces)[0, :left].float()
            left -= len(audio)
            yield audio

    def decode_file(self, tokens, out_path, **settings):
        """Decode one token matrix into an audio file, at bounded memory.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [N, K].
        out_path : str | Path
            Audio file to write (WAV, FLAC, OGG by its suffix).
        **settings
            As in :meth:`decode_stream`.

        Returns
        -------
        Path
            The file.
        """
        out_path = _audio_path(out_path)
        out_path.parent.mkdir(parents=True, exist_ok=True)
        # What fails half-way leaves an earlier file as it was.
        partial = out_path.with_name(f"partial-{out_path.name}")
        try:
            with soundfile.SoundFile(
                str(partial), "w", self.sample_rate, channels=1
            ) as sound:
                for audio in self.decode_stream(tokens, **settings):
                    sound.write(audio.clamp(-1, 1).cpu().numpy())
            partial.replace(out_path)
        finally:
            partial.unlink(missing_ok=True)
        return out_path

    def reconstruct_file(self, path, out_path, keep=None, **settings):
        """Encode a file and decode it again, at its original length.

        Arguments
        ---------
        path : str | Path
            Audio file to read.
        out_path : str | Path
            Audio file to write.
        keep : int
            Tokens of each group to use; all by default.
        **settings
            As in :meth:`decode_stream`.

        Returns
        -------
        Path
            The file written.
        """
        out_path = _audio_path(out_path)  # before the long work
        pieces = CountedPieces(stream_audio(path, self.sample_rate))
        tokens = torch.cat(list(self.encode_stream(pieces)))
        settings = {"num_samples": pieces.samples, "keep": keep, **settings}
        return self.decode_file(tokens, out_path, **settings)

    @torch.no_grad()
    def embed(self, tokens):
        """Features of token ids.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K], ``mask_id`` allowed.

        Returns
        -------
        torch.Tensor
            float [B, N, K, D].
        """
        return self.codec.embed(self._check_tokens(tokens))

    def allocate(self, tokens, lens=None):
        """Tokens that each group needs; wants a model with an allocator.

        Raises
        ------
        ValueError
            If the model has none.
        """
        raise ValueError(
            f"'{self.name}' has no token allocator: decode with keep= instead."
        )

    def forward(self, wavs, wav_lens=None):
        """Same as :meth:`encode_batch`."""
        return self.encode_batch(wavs, wav_lens)

    # Small steps

    def _device(self):
        # Not self.device: the host does not update that one in .to().
        return self.codec.places.device

    def _check_tokens(self, tokens):
        return check_tokens(
            tokens, self.num_codebooks, self.mask_id, self._device()
        )

    def _prefix(self, tokens, keep):
        return mask_dropped(tokens, keep, self.num_codebooks, self.mask_id)

    def _mel_pieces(self, tokens, counts, seed, sampling):
        window, overlap = (
            self.hparams.window_groups,
            self.hparams.overlap_groups,
        )
        return decode_mel(
            self.codec, tokens, counts, window, overlap, seed, **sampling
        )

    def _vocode(self, pieces):
        window = self.hparams.window_groups * self.group_size
        return vocode_in_windows(self.vocoder, pieces, window)


class CountedPieces:
    """Consecutive pieces of audio, whose samples are counted in passing."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.samples = 0

    def __iter__(self):
        for piece in self.pieces:
            self.samples += len(piece)
            yield piece


def _audio_path(path):
    """A path whose suffix says in which format to write."""
    path = Path(path)
    if path.suffix[1:].upper() not in soundfile.available_formats():
        raise ValueError(
            f"{path}: no audio format is called '{path.suffix}'; use .wav, "
            ".flac, .ogg or .mp3."
        )
    return path
