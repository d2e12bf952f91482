"""Method names of the DASB benchmark for a tokenizer."""

from speechbrain_gogo.inference.checks.settings import as_numbers, check_whole


class BenchmarkTokenizer:
    """Methods on ``encode``, ``decode`` and ``vocabulary`` of GogoTokenizer."""

    def sig_to_tokens(self, signal, lengths=None, num_codebooks=None, **_):
        """Audio to tokens.

        Arguments
        ---------
        signal : torch.Tensor
            [B, T] in [-1, 1].
        lengths : torch.Tensor
            Relative lengths [B].
        num_codebooks : int | list of int
            Number of codebooks to use, or their indices; all by default.

        Returns
        -------
        torch.Tensor
            int64 [B, T', K' or fewer].

        Raises
        ------
        ValueError
            If there are no such codebooks.
        """
        tokens, _ = self.encode(signal, lengths)
        return tokens[..., self._chosen(num_codebooks)]

    def tokens_to_sig(self, tokens, length=None, **_):
        """Tokens [B, T', K'] to audio [B, T], see :meth:`decode`."""
        return self.decode(tokens, length).squeeze(1)

    def get_pretrained_embeddings(
        self, vocab_size=None, num_codebooks=None, **_
    ):
        """Weights to initialize the embedding layer of a recipe.

        Arguments
        ---------
        vocab_size : int
            Codes per codebook; must be C.
        num_codebooks : int | list of int
            Number of codebooks to use, or their indices; all by default.

        Returns
        -------
        torch.Tensor
            [K' * C, H].

        Raises
        ------
        ValueError
            If the vocabulary has another size, or no such codebooks.
        """
        if vocab_size not in (None, self.vocab_size):
            raise ValueError(
                f"vocab_size={vocab_size}: the codec has {self.vocab_size} "
                "codes; set it so in the recipe's YAML."
            )
        return self.vocabulary[self._chosen(num_codebooks)].flatten(0, 1)

    def _chosen(self, num_codebooks):
        """Indices of the codebooks to use."""
        most = self.codebooks
        if num_codebooks is None:
            return list(range(most))
        given = as_numbers(num_codebooks, "num_codebooks")
        if given.dim() == 0:
            number = check_whole(num_codebooks, "num_codebooks")
            chosen = list(range(min(number, most + 1)))
        else:
            chosen = given.tolist()
        if not chosen or not set(chosen) <= set(range(most)):
            raise ValueError(
                f"num_codebooks={num_codebooks}: the layout '{self.layout}' "
                f"has {most} codebooks per step; give how many of them, or "
                "their indices from 0."
            )
        return list(map(int, chosen))
