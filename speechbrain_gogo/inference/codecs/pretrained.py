"""The base class of all pretrained codecs: loading, checks and batches.

The networks are a module of lobes/. A subclass encodes and decodes streams.
"""

import contextlib

import torch
from speechbrain.dataio.preprocess import AudioNormalizer
from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.autocast import AMPConfig

from speechbrain_gogo.default_dtype import float32_by_default
from speechbrain_gogo.inference.checks.settings import as_numbers, check_lens
from speechbrain_gogo.inference.checks.tokens import (
    check_level,
    check_tokens,
    mask_dropped,
)
from speechbrain_gogo.inference.checks.waveforms import read_wavs
from speechbrain_gogo.inference.codecs.allocation import AllocatingCodec
from speechbrain_gogo.inference.codecs.files import FileCodec
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    load_model,
    source_name,
)
from speechbrain_gogo.lobes.nn.fingerprint import hash_weights
from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.nn.precision import KeepsPrecision, full_precision
from speechbrain_gogo.lobes.tokens.granular import GranularCodec


class PretrainedCodec(
    AllocatingCodec, FileCodec, KeepsPrecision, Pretrained, GranularCodec
):
    """A codec that has ``modules`` ``codec`` and ``vocoder``.

    A subclass gives ``encode_stream``, ``decode_stream``, ``decode_batch``, and
    ``file_side_information`` if decoding needs more than tokens.
    """

    HPARAMS_NEEDED = ["modules"]
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
        self.group_samples = codec.group_samples
        # Number b of coarse tokens that a language model generates first.
        self.backbone_size = getattr(
            codec, "backbone_size", codec.num_codebooks
        )
        # The codebook of each column, by number: one or several.
        self.codebooks = [0] * codec.num_codebooks
        if codec.own_codes:
            self.codebooks = self.levels.codebooks
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
            A folder, a bundled name, or a hub id.
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
        PretrainedCodec

        Raises
        ------
        ValueError
            If the model does not exist, its YAML is not trusted, or its
            weights do not match.
        """
        folder = find_source(source, savedir, **hub_options)
        with float32_by_default():
            hparams = cls._load(folder, overrides, trust_source)
            modules, name = hparams["modules"], source_name(source)
            return cls(modules, hparams, run_opts, name=name)

    _load = staticmethod(load_model)

    @property
    def levels(self):
        """The columns' levels; each is one column if the network defines none."""
        return getattr(self.codec, "levels", None) or super().levels

    @property
    def codec(self):
        """The networks, of lobes/."""
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
            settings, states = self.codec.token_identity()
            self._fingerprint = hash_weights(*states, metadata=repr(settings))
        return self._fingerprint

    @contextlib.contextmanager
    def own_precision(self):
        """A context that computes in the precision of the run options.

        Tokens do not depend on autocast and default dtype of the caller. fp32
        excludes TF32, which importing SpeechBrain enables. (SpeechBrain's
        ``inference_ctx`` changes neither if the precision is fp32.)
        """
        dtype, kind = AMPConfig.from_name(self.precision).dtype, self._device()
        if dtype == torch.float32:
            context = full_precision(kind.type)
        else:
            context = torch.autocast(kind.type, dtype=dtype)
        with float32_by_default(), context:
            yield

    def _in_own_precision(self, items):
        """Items of an iterator, computed in this precision, one by one."""
        while True:
            with self.own_precision():  # not during the caller's code
                item = next(items, None)
            if item is None:
                return
            yield item

    # Audio to tokens

    def encode(self, wavs, wav_lens=None):
        """Same as :meth:`encode_batch`."""
        return self.encode_batch(wavs, wav_lens)

    def forward(self, wavs, wav_lens=None):
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
            Sample rate of ``wavs``, in Hz, if it is not the codec's own.
        num_tokens : int
            Number of tokens of each group to compute; all by default.

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

    def decode(self, tokens, lens=None, **settings):
        """The waveforms [B, T] of :meth:`decode_batch`, without lengths."""
        return self.decode_batch(tokens, lens, **settings)[0]

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

    def side_information(self, wavs, wav_lens=None):
        """Side information for decoding, besides tokens: arguments of ``decode_batch``.

        Waveforms are as in :meth:`encode_batch`, at the codec's rate. Empty if
        tokens are enough.
        """
        return {}

    @property
    def sampler(self):
        """Sampling settings of ``decode_batch`` and their defaults, if any."""
        return {}

    # Helpers

    def _device(self):
        # Not self.device: SpeechBrain does not update that one in .to().
        return next(self.codec.parameters()).device

    def _read_tokens(self, tokens, keep=None, lens=None):
        """Checked ids, with the masking token where ``keep`` drops one."""
        columns, mask_id = self.num_codebooks, self.mask_id
        tokens = check_tokens(tokens, columns, mask_id, self._device())
        if lens is not None:
            shape = tokens.shape[:2]
            lens = check_lens(lens, *shape, "lens", tokens.device)
            lens = length_mask(lens, shape[1])
        return mask_dropped(tokens, keep, self.levels, mask_id, lens)

    def _read_one(self, tokens, keep):
        """Checked ids [N, K] of one utterance; ``keep`` may be [N]."""
        if keep is not None:
            keep = as_numbers(keep, "keep")
            keep = keep.unsqueeze(0) if keep.dim() == 1 else keep
        tokens = as_numbers(tokens, "tokens").unsqueeze(0)
        return self._read_tokens(tokens, keep)[0]

    def _count_groups(self, tokens, lens):
        """Number of groups of each utterance of tokens [B, N, K], a list."""
        batch, groups = tokens.shape[:2]
        if lens is None:
            return [groups] * batch
        lens = check_lens(lens, batch, groups, "lens", tokens.device)
        return (lens * groups).round().long().tolist()
