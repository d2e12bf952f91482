"""Codecs of this package and of SpeechBrain: audio to levels of tokens, and back.

Letters: K codebooks, T' steps, H dimension of a code's vector; a level is a
matrix int64 [steps, streams].
"""

import pydoc

import torch

from speechbrain_gogo.lobes.tokens.levels import Levels


def load_tokenizer(name, source=None, save_path=None, options=None):
    """A tokenizer of SpeechBrain, by the name of its class.

    ``source`` and ``save_path`` are its first arguments, None for classes
    without them; ``options`` are the others. An unknown class is an error.
    """
    found = pydoc.locate(name)
    if not isinstance(found, type):
        raise ValueError(
            f"tokenizer_class: there is no class {name}. Those of SpeechBrain "
            "are in speechbrain.integrations.huggingface and "
            "speechbrain.lobes.models.discrete."
        )
    places = (
        {} if source is None else {"source": source, "save_path": save_path}
    )
    return found(**places, **dict(options or {}))


class TokenSystem:
    """A tokenizer of audio as a list of levels, coarse to fine.

    It is a GogoTokenizer of the layout "grouped", or SpeechBrain's Encodec,
    Mimi or DAC. The dialect is its interface: "encodec" (also GogoTokenizer's),
    "mimi" or "dac"; by default that of its class's name.
    """

    def __init__(self, tokenizer, dialect=None, device="cpu"):
        self.tokenizer = tokenizer.to(device).eval()
        self.device = device
        name = dialect or type(tokenizer).__name__.lower()
        self.dialect = DIALECTS.get(name, DIALECTS["encodec"])
        if dialect is not None and dialect not in DIALECTS:
            raise ValueError(
                f"dialect='{dialect}': use one of {', '.join(DIALECTS)}."
            )
        self.sample_rate = int(tokenizer.sample_rate)
        codec = getattr(tokenizer, "codec", None)
        self.levels = getattr(codec, "levels", None)

    @torch.no_grad()
    def encode(self, wav):
        """Encode audio [T] at ``sample_rate``.

        Gives tokens int64 [T', K] and their vectors [T', K, H], None if the
        tokenizer does not return them.
        """
        found = self.dialect[0](self.tokenizer, wav.to(self.device))
        tokens, vectors = (None if x is None else x.cpu() for x in found)
        if self.levels is None:
            books = [1] * tokens.shape[1]
            self.levels = Levels(books, books)
        return tokens, vectors

    @torch.no_grad()
    def decode(self, tokens):
        """Tokens [T', K] to audio [T]."""
        return self.dialect[1](self.tokenizer, tokens.to(self.device)).cpu()

    def by_level(self, tokens):
        """Tokens [T', K] as name -> [steps, streams], coarse to fine."""
        parts = self.levels.unpack(tokens)
        return {level.name: own for level, own in zip(self.levels, parts)}


def encode_encodec(tokenizer, wav):
    """[T] -> [T', K], [T', K, H]."""
    one = torch.ones(1, device=wav.device)
    tokens, vectors = tokenizer.encode(wav[None], one)
    return tokens[0], vectors[0]


def decode_encodec(tokenizer, tokens):
    """[T', K] -> [T]."""
    return tokenizer.decode(tokens[None]).flatten()


def encode_mimi(tokenizer, wav):
    """[T] -> [T', K], [T', K, H], of a tokenizer whose K comes first."""
    return [x.transpose(0, 1) for x in encode_encodec(tokenizer, wav)]


def decode_mimi(tokenizer, tokens):
    """[T', K] -> [T]."""
    return decode_encodec(tokenizer, tokens.T)


def encode_dac(tokenizer, wav):
    """[T] -> [T', K], by the forward pass, which pads; no vectors."""
    return tokenizer(wav[None, None])[0][0].T, None


def decode_dac(tokenizer, tokens):
    """[T', K] -> [T], through the codes' vectors."""
    vectors = tokenizer.quantizer.from_codes(tokens.T[None])[0]
    return tokenizer.decode(vectors).flatten()


DIALECTS = {
    "encodec": (encode_encodec, decode_encodec),
    "mimi": (encode_mimi, decode_mimi),
    "dac": (encode_dac, decode_dac),
}
