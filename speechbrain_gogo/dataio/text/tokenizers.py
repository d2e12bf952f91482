"""Transcripts as token ids, for the ASR head and for the language models.

Corpora differ in case and punctuation. The ASR head learns words, so both are
removed for it; language models of speech keep marks of pauses. The tokens are
sentencepiece's (:class:`WordPieces`, small models) or those of a language model
that brings its own (:class:`HubTokenizer`), or phones of a pronunciation dictionary
(:class:`~speechbrain_gogo.dataio.text.phones.Phones`). All kinds have

    encode(text) -> list of int     encode_batch(texts) -> list of lists
    vocab_size                      save(folder)
    fingerprint                     unknown(text) -> set of str

and :func:`load_text_tokenizer` loads what ``save`` wrote.
"""

import zlib
from pathlib import Path

import sentencepiece
import torch

from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.dataio.text.files import PIECES, make_room
from speechbrain_gogo.dataio.text.normalization import (
    normalize_speech,
    normalize_words,
)
from speechbrain_gogo.dataio.text.phones import Phones

LONGEST = 2**24  # bytes of a text; sentencepiece ignores those of over 4,192


def train_tokenizer(
    sentences, model_path, vocab_size, normalize=normalize_words
):
    """Train a sentencepiece BPE model, if it does not exist yet.

    Arguments
    ---------
    sentences : iterable of str
        Transcripts; read only if the model has to be trained.
    model_path : str | Path
        File of the model.
    vocab_size : int
        Number of tokens, including unknown, start and end; a small text gives
        fewer.
    normalize : callable
        Normalization of the sentences.

    Returns
    -------
    sentencepiece.SentencePieceProcessor

    Raises
    ------
    ValueError
        If it is too small for the characters of the text, or there is no text.

    Example
    -------
    >>> path = getfixture("tmpdir") / "words.model"
    >>> tokenizer = train_tokenizer(["one two", "two three"], path, 20)
    >>> tokenizer.decode(tokenizer.encode("two one"))
    'two one'
    """
    model_path = Path(model_path)
    if not model_path.is_file():
        try:
            with (
                replaced_when_complete(model_path) as partial,
                open(partial, "wb") as writer,
            ):
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=map(normalize, sentences),
                    model_writer=writer,
                    model_type="bpe",
                    vocab_size=vocab_size,
                    hard_vocab_limit=False,
                    character_coverage=1.0,
                    max_sentence_length=LONGEST,
                    minloglevel=2,
                )
        except RuntimeError as error:
            if "sentences_.empty()" in str(error):
                raise ValueError(
                    f"There are no words to train {model_path.name} on: the "
                    "texts are empty, or have none that can be written."
                ) from None
            if "required_chars" not in str(error):
                raise
            raise ValueError(
                f"The texts have more different characters than {vocab_size} "
                "tokens can tell: give more (text_size, or text_vocab of a "
                f"codec's model), or write them plainly. ({error})"
            ) from None
    return sentencepiece.SentencePieceProcessor(model_file=str(model_path))


def encode_text(tokenizer, text):
    """Token ids int64 [L] of a transcript; see :func:`train_tokenizer`."""
    ids = tokenizer.encode(normalize_words(text))
    return torch.tensor(ids, dtype=torch.long)


class WordPieces:
    """Sentencepiece tokens of text to speak, trained on a corpus.

    Arguments
    ---------
    model_path : str | Path
        A sentencepiece model, as :meth:`train` writes it.

    Example
    -------
    >>> path = getfixture("tmp_path") / "text.model"
    >>> tokenizer = WordPieces.train(["One, two.", "Two? Three!"], path, 25)
    >>> tokenizer.processor.decode(tokenizer.encode("THREE, two"))
    'three , two'
    >>> folder = tokenizer.save(path.parent / "model")
    >>> load_text_tokenizer(folder).vocab_size == tokenizer.vocab_size
    True
    """

    FILE = PIECES

    def __init__(self, model_path):
        self.processor = sentencepiece.SentencePieceProcessor(
            model_file=str(model_path)
        )

    @classmethod
    def train(cls, sentences, model_path, vocab_size):
        """Train, unless the model exists; see :func:`train_tokenizer`."""
        train_tokenizer(sentences, model_path, vocab_size, normalize_speech)
        return cls(model_path)

    @property
    def vocab_size(self):
        """Number of text ids, which start at 0."""
        return self.processor.vocab_size()

    @property
    def fingerprint(self):
        """Equal for equal ids of all texts, a str."""
        return f"{zlib.crc32(self.processor.serialized_model_proto()):08x}"

    def encode(self, text):
        """Text to ids, a list of int."""
        return self.processor.encode(normalize_speech(text))

    def encode_batch(self, texts):
        """A list of texts to a list of lists of ids."""
        return self.processor.encode([normalize_speech(t) for t in texts])

    def unknown(self, text):
        r"""What of a text has no id of its own, a set of str.

        Example
        -------
        >>> path = getfixture("tmp_path") / "text.model"
        >>> tokenizer = WordPieces.train(["some words"], path, 20)
        >>> tokenizer.unknown("more red\u00e9")
        {'é'}
        """
        text, lost = normalize_speech(text), self.processor.unk_id()
        ids = self.processor.encode(text)
        if lost not in ids:
            return set()
        pieces = self.processor.encode(text, out_type=str)
        return {piece for piece, i in zip(pieces, ids) if i == lost}

    def save(self, folder):
        """Write ``text.model`` into a folder; gives the folder's path."""
        folder = make_room(folder)
        model = self.processor.serialized_model_proto()
        (folder / self.FILE).write_bytes(model)
        return folder


class HubTokenizer:
    """The tokenizer of a language model, from the hub or a folder.

    Text is not normalized, since such models use case and punctuation.
    ``source`` is the argument of transformers' AutoTokenizer, such as
    "meta-llama/Llama-3.2-1B-Instruct". Raises a ValueError if the tokenizer is
    one of transformers' slow ones.
    """

    def __init__(self, source):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(str(source))
        if not self.tokenizer.is_fast:
            raise ValueError(
                f"{type(self.tokenizer).__name__} has no tokenizer.json."
            )

    @property
    def vocab_size(self):
        """Number of text ids, which start at 0."""
        return len(self.tokenizer)

    @property
    def fingerprint(self):
        """Equal for equal ids of all texts, a str."""
        described = self.tokenizer.backend_tokenizer.to_str()
        return f"{zlib.crc32(described.encode()):08x}"

    def encode(self, text):
        """Text to ids, a list of int without special ones."""
        return self.encode_batch([text])[0]

    def unknown(self, text):
        """What of a text has no id of its own, a set of str; most know bytes."""
        made = self._read(text, return_offsets_mapping=True)
        lost = self.tokenizer.unk_token_id
        places = zip(made["input_ids"], made["offset_mapping"])
        return {text[slice(*place)] for i, place in places if i == lost}

    def encode_batch(self, texts):
        """A list of texts to a list of lists of ids."""
        texts = [text.strip() for text in texts]
        # transformers refuses none.
        return self._read(texts)["input_ids"] if texts else []

    def _read(self, text, **options):
        return self.tokenizer(text, add_special_tokens=False, **options)

    def save(self, folder):
        """Write the tokenizer's files into a folder; gives its path."""
        folder = make_room(folder)
        self.tokenizer.save_pretrained(str(folder))
        return folder


def load_text_tokenizer(source):
    """The text tokenizer that was saved in a folder, or one of the hub.

    Arguments
    ---------
    source : str | Path
        A folder with ``text.model`` or ``phones.txt``, a folder with the
        tokenizer of a language model, the hub id of one, or the file of a
        pronunciation dictionary or of a sentencepiece model (``*.model``).

    Returns
    -------
    WordPieces | Phones | HubTokenizer

    Raises
    ------
    ValueError
        If there is none or it cannot be read.
    """
    path = Path(source)
    try:
        for kind in (WordPieces, Phones):
            if (path / kind.FILE).is_file():
                return kind(path / kind.FILE)
        if path.is_file():
            is_model = path.suffix == Path(WordPieces.FILE).suffix
            return (WordPieces if is_model else Phones)(path)
        return HubTokenizer(source)
    except Exception as error:  # transformers' are of many kinds
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{source} has no text tokenizer that can be read: no {WordPieces.FILE}, "
            f"no {Phones.FILE}, and no language model's tokenizer. ({reason:.200})"
        ) from error
