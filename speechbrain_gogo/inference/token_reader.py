"""Reading tokens from files into a tokenizer, after checks of their origin."""

import numpy as np

from speechbrain_gogo.dataio.tokens.identity import (
    TokenIdentity,
    find_identity,
    identity_of,
)
from speechbrain_gogo.dataio.tokens.layouts import group_ids
from speechbrain_gogo.inference.checks.settings import as_numbers


class TokenReader:
    """Methods of GogoTokenizer for tokens that `gogo tokenize` wrote, or others."""

    @property
    def identity(self):
        """Layout and codec of this tokenizer's tokens, a TokenIdentity."""
        codec = self.codec
        return TokenIdentity(
            self.layout, self.num_codebooks, codec.name, codec.fingerprint
        )

    def read_tokens(self, path):
        """The tokens of a clip, from a file of `gogo tokenize`.

        Arguments
        ---------
        path : str | Path
            An array, such as ``codes/<id>.npy``. Layout and codec are those of
            ``tokens.json`` in a folder above it; without one, ids and their
            number are checked.

        Returns
        -------
        torch.Tensor
            int64 [T', K'].

        Raises
        ------
        ValueError
            If there is no array, or its tokens are of another layout, codec or
            number of tokens per group.
        """
        try:
            ids = np.load(path)
            if not isinstance(ids, np.ndarray):
                raise ValueError("it has several arrays")
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"{path} is no array of tokens: {error}") from None
        found = find_identity(path)
        if found is not None:
            self.identity.require(found, path)
        return self.check_ids(ids, path)

    def check_origin(self, metadata, where="These tokens"):
        """Check tokens by the metadata that come with them.

        ``metadata`` is the content of a tar's JSON file, or a row of a dataset,
        of `gogo tokenize`; messages call the tokens ``where``. Raises a
        ValueError if they are of another layout, codec or number of tokens per
        group.
        """
        self.identity.require(identity_of(metadata, where), where)

    def check_ids(self, ids, where="These tokens"):
        """Check the ids of a clip that come without metadata.

        For codecs with one codebook for all positions, such as Gogo, ids of
        another number of tokens per group are detected only if their number is
        no multiple of this one.

        Arguments
        ---------
        ids : torch.Tensor | numpy.ndarray | sequence of int
            [T', K'], or [T'] in the layout "flat".
        where : str | Path
            Name of the tokens in messages.

        Returns
        -------
        torch.Tensor
            int64 [T', K'].

        Raises
        ------
        ValueError
            If the shape is another, the groups are not whole, or an id does not
            exist or belongs to another position.
        """
        ids = as_numbers(ids, where)
        if not ids.is_floating_point():
            ids = ids.long()  # few operations take unsigned integers
        if ids.dim() == 1 and self.layout == "flat":
            ids = ids.unsqueeze(1)
        if ids.dim() != 2 or ids.shape[1] != self.codebooks or not len(ids):
            raise ValueError(
                f"{where}: tokens of the layout '{self.layout}' are [steps, "
                f"{self.codebooks}]; got shape {tuple(ids.shape)}. Are they in "
                "another layout, or with another num_codebooks?"
            )
        if len(ids) % self.steps_per_group:
            raise ValueError(
                f"{where}: {len(ids)} tokens are no whole groups of "
                f"{self.num_codebooks}. They were made with another "
                "num_codebooks, or are cut: build the tokenizer with theirs."
            )
        wrong = (ids < 0) | (ids > self.mask_id) | (ids % 1 != 0)
        if wrong.any():
            step, book = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"{where}: token {ids[step, book].item()} at [step, codebook] = "
                f"{[step, book]} is none of 0..{self.mask_id}, the ids of codec "
                f"'{self.codec.name}': are they of another codec?"
            )
        ids = ids.long()
        if self.layout == "flat":
            groups = ids.reshape(-1, self.num_codebooks)  # [N, K]
            try:
                group_ids(groups, self.codec.vocab_size, self._books)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        return ids
