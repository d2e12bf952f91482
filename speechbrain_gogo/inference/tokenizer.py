"""GogoTokenizer: Gogo tokens for recipes that use EnCodec tokens.

It has the interface of SpeechBrain's EnCodec integration and the method names
of the DASB benchmark. A codec of this package computes the tokens; this frozen
module returns them as one sequence or as groups, for audio at the recipe's
sample rate.
"""

import math

import torch
from speechbrain.dataio.dataio import clean_padding_
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.audio.waveform import check_rate
from speechbrain_gogo.dataio.tokens.layouts import (
    check_layout,
    code_table,
    group_ids,
    lay_out,
)
from speechbrain_gogo.inference.benchmark_tokenizer import BenchmarkTokenizer
from speechbrain_gogo.inference.checks.settings import as_numbers
from speechbrain_gogo.inference.checks.tokens import check_level
from speechbrain_gogo.inference.open_codec import open_codec
from speechbrain_gogo.inference.token_reader import TokenReader


class GogoTokenizer(BenchmarkTokenizer, TokenReader, nn.Module):
    """A frozen codec with the interface of SpeechBrain's Encodec.

    Letters: B batch, N groups, K tokens per group, C codes, H dimension of a
    code; T' steps of K' codebooks in the layout of the recipe:

    - ``flat``: one codebook, with the tokens of a group in sequence, [B, N * K, 1]. At 47 Hz it has enough steps for a CTC loss.
    - ``grouped``: K codebooks, one group per step, [B, N, K].

    Arguments
    ---------
    source : str | Path
        A codec of this package: a folder, a bundled name ("gogo-mini"), or a
        hub id. SoCodec and CoFi-Codec decode with their mean embedding.
    save_path : str | Path
        Folder for files from the hub; the hub's cache by default.
    sample_rate : int
        Sample rate of input and output audio, in Hz.
    num_codebooks : int
        Tokens of each group to use, K: the coarsest ones; all by default.
    layout : str
        "flat" or "grouped". If positions have different codebooks, as in
        SoCodec and CoFi-Codec, flat ids are distinct for each.
    run_opts : dict
        SpeechBrain run options; by default on the CPU, until moved.
    **options
        Others of :meth:`GogoCodec.from_hparams`, such as ``revision``.

    Example
    -------
    >>> tokenizer = GogoTokenizer("gogo-mini", sample_rate=16000)
    >>> tokens, emb = tokenizer.encode(torch.zeros(1, 16000), torch.ones(1))
    >>> tokens.shape, emb.shape
    (torch.Size([1, 50, 1]), torch.Size([1, 50, 1, 6]))
    >>> tokenizer.decode(tokens).shape
    torch.Size([1, 1, 17067])
    """

    def __init__(
        self,
        source,
        save_path=None,
        sample_rate=24000,
        num_codebooks=None,
        layout="flat",
        run_opts=None,
        **options,
    ):
        super().__init__()
        self.codec = open_codec(
            source, save_path, run_opts or {"device": "cpu"}, **options
        )
        self.layout = check_layout(layout)
        if num_codebooks is None:
            num_codebooks = self.codec.num_codebooks
        check_rate(sample_rate, self.codec.sample_rate, "The tokenizer")
        check_level(num_codebooks, self.codec.num_codebooks, "num_codebooks")
        self.sample_rate = sample_rate
        self.num_codebooks = num_codebooks
        # Each codebook has flat ids of its own.
        self._books = self.codec.codebooks[:num_codebooks]
        codes = code_table(
            self.codec.embed, self.codec.vocab_size, layout, self._books
        )  # [K', C, H]
        self.vocab_size = self.mask_id = codes.shape[1]
        # Not in checkpoints: it is computed from the codec.
        self.register_buffer("vocabulary", codes, persistent=False)
        self.eval()

    @classmethod
    def from_hparams(cls, source, savedir=None, **options):
        """The constructor as a class method, for ``!apply:`` in YAML files.

        ``savedir`` is ``save_path`` in the constructor.
        """
        if savedir is not None:
            options["save_path"] = savedir
        return cls(source, **options)

    @property
    def codebooks(self):
        """Codebooks per step, K'."""
        return 1 if self.layout == "flat" else self.num_codebooks

    @property
    def steps_per_group(self):
        """Steps per group."""
        return self.num_codebooks // self.codebooks

    @property
    def embedding_dim(self):
        """Dimension of a token's embedding, H."""
        return self.vocabulary.shape[2]

    # Names of the same numbers in other codecs.

    @property
    def frame_rate(self):
        """Steps per second."""
        return self.codec.group_rate * self.steps_per_group

    @property
    def codebook_size(self):
        """Ids of a codebook, without the masking token."""
        return self.vocab_size

    @property
    def bitrate(self):
        """Bits per second: positions tell the codebooks of flat ids."""
        tokens = self.frame_rate * self.codebooks
        return tokens * math.log2(self.codec.vocab_size)

    def train(self, mode=True):
        """Stay in evaluation mode: the tokenizer is frozen."""
        return super().train(False)

    # The interface of speechbrain.integrations.huggingface.encodec.Encodec

    def forward(self, inputs, length=None):
        """Same as :meth:`encode`."""
        return self.encode(inputs, length)

    @torch.no_grad()
    def encode(self, inputs, length=None):
        """Audio to tokens and their embeddings.

        Arguments
        ---------
        inputs : torch.Tensor | numpy.ndarray | list
            As in :meth:`GogoCodec.encode_batch`; or [B, C, T], which is
            downmixed as well.
        length : torch.Tensor
            Relative lengths [B]; they hold for the tokens as well.

        Returns
        -------
        tuple of torch.Tensor
            Tokens int64 [B, T', K'], beyond an utterance's end the first id
            of their codebook (0 for Gogo), a new tensor that may be changed in
            place; and embeddings [B, T', K', H].
        """
        shape = getattr(inputs, "shape", ())
        if len(shape) == 3 and shape[1] < shape[2]:
            inputs = inputs.swapaxes(1, 2)  # [B, T, C]
        tokens, _ = self.codec.encode_batch(
            inputs, length, self.sample_rate, self.num_codebooks
        )
        codes = self.codec.vocab_size
        tokens = lay_out(tokens, self.layout, codes, self._books)
        return tokens, self.embeddings(tokens)

    @torch.no_grad()
    def embeddings(self, tokens):
        """Features [B, T', K', H] of ids [B, T', K'], ``mask_id`` allowed."""
        if self.layout == "grouped":
            return self.codec.embed(tokens)
        groups, _ = self._groups(self._check_shape(tokens), None)
        found = self.codec.embed(groups).flatten(1, 2)  # [B, N * K, H]
        return found[:, : tokens.shape[1]].unsqueeze(2)

    @torch.no_grad()
    def decode(self, tokens, length=None):
        """Tokens to audio.

        Arguments
        ---------
        tokens : torch.Tensor
            Ids [B, T', K'] of any type, ``mask_id`` where one is not used. A
            flat sequence may end within a group, as a language model's may:
            missing tokens are masked. :meth:`read_tokens` checks files.
        length : torch.Tensor
            Relative lengths [B].

        Returns
        -------
        torch.Tensor
            [B, 1, T], with steps of equal length, and zero beyond an
            utterance's end.

        Raises
        ------
        ValueError
            If the tokens have another shape or are out of range.
        """
        tokens = self._check_shape(tokens)
        steps = tokens.shape[1]
        groups, lens = self._groups(tokens, length)
        wavs, _ = self.codec.decode_batch(groups, lens)
        samples = round(steps * self.codec.group_samples / self.steps_per_group)
        wavs = F.pad(wavs, (0, samples - wavs.shape[1]))
        wavs = change_rate(wavs, self.codec.sample_rate, self.sample_rate)
        if length is not None:
            clean_padding_(wavs, length.to(wavs.device))
        return wavs.unsqueeze(1)

    # Helpers

    def _check_shape(self, tokens):
        """Tokens int64 [B, T', K' or fewer]."""
        tokens = as_numbers(tokens, "tokens", self.vocabulary.device).long()
        shape = tuple(tokens.shape)
        if len(shape) != 3 or 0 in shape or shape[2] > self.codebooks:
            raise ValueError(
                f"Tokens of the layout '{self.layout}' are [batch, steps, "
                f"{self.codebooks}] and not empty; got shape {shape}."
            )
        return tokens

    def _groups(self, tokens, length):
        """Token matrix [B, N, K] and its lengths [B], from the layout."""
        batch, steps, levels = tokens.shape
        per_group = self.steps_per_group
        missing = -steps % per_group
        tokens = F.pad(tokens, (0, 0, 0, missing), value=self.mask_id)
        tokens = tokens.reshape(batch, -1, per_group * levels)
        if self.layout == "flat":
            tokens = group_ids(tokens, self.codec.vocab_size, self._books)
        if length is None:
            return tokens, None
        # A group that has begun counts whole: relative lengths of audio end
        # before those of its tokens. An empty sequence counts as one group.
        count = (length.to(tokens.device) * steps / per_group - 1e-3).ceil()
        return tokens, count.clamp(min=1) / tokens.shape[1]
