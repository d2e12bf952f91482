"""GogoCodec: speech to granularity-ordered tokens and back.

The interface that users load with ``from_hparams``. It checks its arguments
and calls the networks of lobes/. Methods on tensors are here; those on streams
and files are in streaming/codec.py.
"""

import contextlib

import torch
from speechbrain.dataio.preprocess import AudioNormalizer
from speechbrain.utils.autocast import AMPConfig

from speechbrain_gogo.inference.allocation import AllocatingCodec
from speechbrain_gogo.inference.checks import (
    check_lengths,
    check_lens,
    check_level,
    check_sampling,
)
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    load_model,
    source_name,
)
from speechbrain_gogo.inference.streaming.codec import StreamingCodec
from speechbrain_gogo.inference.waveforms import read_wavs
from speechbrain_gogo.lobes.nn.fingerprint import hash_weights
from speechbrain_gogo.lobes.nn.precision import (
    float32_by_default,
    full_precision,
)


class GogoCodec(StreamingCodec, AllocatingCodec):
    """Encodes 24 kHz speech into groups of coarse-to-fine tokens.

    ``modules`` are ``codec`` (a :class:`~speechbrain_gogo.lobes.gogo.codec.Gogo`),
    ``vocoder`` and, in some models, ``allocator``. The YAML's
    ``window_groups`` and ``overlap_groups`` set the windows in which long audio is decoded.

    The same audio has the same tokens alone, in a batch and in a stream, and
    the same tokens and seed give the same audio. On a GPU, whose sums depend
    on the shapes, that holds up to rounding: a feature that lies between two
    codes can become either.

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
        if "allocator" in self.mods:
            self.mods.allocator.check_fits(codec)
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
            Folder for files from the hub; the hub's cache by default.
        run_opts : dict
            SpeechBrain run options, such as ``{"device": "cuda"}``.
        overrides : dict
            Replace values of the model's YAML.
        trust_source : bool
            Run any code that the YAML names, not only networks of
            SpeechBrain, this package, torch, transformers and vocos.
        **hub_options
            ``revision``, ``token`` of huggingface_hub.

        Returns
        -------
        GogoCodec

        Raises
        ------
        ValueError
            If the model does not exist, its YAML is not trusted, or its
            weights do not match.
        """
        folder = find_source(source, savedir, **hub_options)
        with float32_by_default():
            hparams = load_model(folder, overrides, trust_source)
            modules, name = hparams["modules"], source_name(source)
            return cls(modules, hparams, run_opts, name=name)

    @property
    def codec(self):
        """The networks, a :class:`~speechbrain_gogo.lobes.gogo.codec.Gogo`."""
        return self.mods.codec

    @property
    def vocoder(self):
        """Log-mel [B, T, d] to waveform."""
        return self.mods.vocoder

    @property
    def fingerprint(self):
        """16 hex digits that identify the codec of tokens.

        A hash of the weights in float32 and of the settings. Device and
        precision do not change it; a corpus of tokens records its precision.
        """
        if self._fingerprint is None:
            codec = self.codec
            numbers = (
                self.sample_rate,
                self.group_size,
                *codec.mel_signature,
                *codec.quantizer.signature,
            )
            parts = codec.encoder, codec.quantizer, codec.shortcut_in
            states = [part.state_dict() for part in filter(None, parts)]
            self._fingerprint = hash_weights(*states, metadata=repr(numbers))
        return self._fingerprint

    @contextlib.contextmanager
    def own_precision(self):
        """A context that computes in the precision of the run options.

        Tokens do not depend on autocast and default dtype of the caller. fp32 excludes
        TF32, which importing SpeechBrain enables. (The host's
        ``inference_ctx`` changes neither if the precision is fp32.)
        """
        dtype, kind = AMPConfig.from_name(self.precision).dtype, self._device()
        if dtype == torch.float32:
            context = full_precision(kind.type)
        else:
            context = torch.autocast(kind.type, dtype=dtype)
        with float32_by_default(), context:
            yield

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
        wavs : torch.Tensor | numpy.ndarray | list | PaddedData
            Float of any precision, in [-1, 1]: [T], [B, T], [B, 1, T], or
            [B, T, C], which is downmixed. A list holds an utterance [T] each,
            of any lengths.
        wav_lens : torch.Tensor
            Relative lengths [B]; a list and SpeechBrain's PaddedData bring
            them along.
        sample_rate : int
            Of ``wavs``, in Hz, if it is not the codec's own.
        num_tokens : int
            Only the first so many tokens of each group; b of them, the
            backbone, cost a quarter less than all.

        Returns
        -------
        tuple of torch.Tensor
            Tokens int64 [B, N, K], zero beyond an utterance's end, K =
            ``num_tokens`` or all, and relative lengths [B] over N.

        Raises
        ------
        ValueError
            If the audio is empty, not finite, not in float or not in
            [-1, 1], or the rate or the lengths are invalid.
        """
        wavs, wav_lens = read_wavs(
            wavs, wav_lens, sample_rate, self.sample_rate, self._device()
        )
        if num_tokens is not None:
            check_level(num_tokens, self.num_codebooks, "num_tokens")
        with self.own_precision():
            return self.codec.encode(wavs, wav_lens, num_tokens)

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
            Flow steps; the model's setting by default.
        guidance_scale : float
            Classifier-free guidance, 0 for none; the model's setting
            by default.
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
            If tokens, keep or lengths are out of range; the error names the position.
        """
        tokens = self._read_tokens(tokens, keep)
        batch, groups = tokens.shape[:2]
        counts = [groups] * batch
        if lens is not None:
            lens = check_lens(lens, batch, groups, "lens", tokens.device)
            counts = (lens * groups).round().long().tolist()
        sampling = check_sampling(num_steps, guidance_scale, seed)
        longest = [count * self.group_samples for count in counts]
        lengths = check_lengths(num_samples, longest)

        found = [[] for _ in range(batch)]
        with self.own_precision():
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
        wav_lens = torch.tensor(lengths, device=wavs.device).float()
        wav_lens = wav_lens / wavs.shape[1]
        return wavs, wav_lens

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

        Raises
        ------
        ValueError
            If a token is out of range; the error names the position.
        """
        tokens = self._read_tokens(tokens)
        with self.own_precision():
            return self.codec.embed(tokens)

    def forward(self, wavs, wav_lens=None):
        """Same as :meth:`encode_batch`."""
        return self.encode_batch(wavs, wav_lens)
