"""Tokenised corpora as training data for the language models.

Shards of tokens (see ``shards.py``) as a dataset that is read from the
disk clip by clip. Clips that do not fit a model's positions are left out and
counted; the rest has its number of positions in ``lengths``, by which
``batches.py`` makes batches. Of 20 million clips a process holds 6 bytes
each; their numbers and the ids of their texts stay in a :class:`ClipIndex`.
"""

import numpy as np
import torch
from torch.utils.data import Dataset

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.clip_index import ClipIndex
from speechbrain_gogo.dataio.tokens.corpus import open_corpus

SLICE = 2**16  # clips that are looked at together


class TokenDataset(Dataset):
    """Clips as token matrices, with their text as ids.

    An item is a dict with ``id``, ``speaker`` and ``wrd`` (str), ``tokens``
    (int64 [N, K]), ``num_groups`` (N), ``side`` (information for decoding
    besides tokens, such as ``embedding`` [D], by name), and with a text
    tokenizer ``text_ids`` (int64 [L]); SpeechBrain's PaddedBatch collates them.
    The order is that of the folders, their shards, and the ids in each shard.

    Arguments
    ---------
    folders : str, Path or list of them
        Corpora that one codec tokenised, such as those of
        recipes/LibriTTS/speech_lm/tokenize_corpus.py.
    max_positions : int
        Longer clips are left out.
    count_positions : callable
        (lengths of the texts in ids, numbers of groups), int64 arrays, to
        positions, such as ``BackboneLM.sequence_length``; every token by
        default, as Stage II reads them.
    tokenizer : WordPieces | Phones | HubTokenizer
        Adds ``text_ids`` and leaves out clips without text; None ignores the
        text.
    codec : GogoCodec
        Checks that the tokens are of this codec.
    index_folder : str | Path
        Folder of the clip index, see :class:`ClipIndex`; in memory if None.

    Attributes
    ----------
    lengths : numpy.ndarray
        Positions of each clip, as ``BucketBatches`` takes them.
    num_codebooks : int
        Tokens of each group.
    report : ClipReport
        Counts of clips used and left out since the corpora were read.

    Raises
    ------
    ValueError
        If a corpus is missing, incomplete, of another codec or with other
        numbers of tokens, or no clip fits.
    """

    def __init__(
        self,
        folders,
        max_positions,
        count_positions=None,
        tokenizer=None,
        codec=None,
        index_folder=None,
    ):
        super().__init__()
        self.max_positions = max_positions
        self.count_positions = count_positions or self._count_tokens
        self.tokenizer = tokenizer
        self.report = ClipReport()
        self.num_codebooks = None
        several = isinstance(folders, (list, tuple))
        self.shards = self._open(folders if several else [folders], codec)
        for shard in self.shards:
            self.report.update(shard.report.skipped)
        sizes = [len(shard) for shard in self.shards]
        self._starts = np.cumsum([0, *sizes[:-1]])  # clips before each shard
        self.index = ClipIndex(self.shards, tokenizer, index_folder)
        self.clips, self.lengths = self._fitting()
        if not len(self):
            raise ValueError(f"No usable clip in {folders}: {self.report}.")

    def _open(self, folders, codec):
        """The shards of corpora that are alike."""
        opened, made_by = [], codec and (codec.fingerprint, codec.name)
        for folder in folders:
            header, shards = open_corpus(folder)
            if "mask_id" in header:
                raise ValueError(
                    f"Of the tokens in {folder} some are left out, by an "
                    "allocator: language models learn from whole groups, "
                    "tokenise the corpus without it."
                )
            ours = header["fingerprint"], header["codec"]
            made_by = made_by or ours
            _check_codec(folder, ours, made_by)
            levels = header["num_codebooks"]
            if self.num_codebooks not in (None, levels):
                raise ValueError(
                    f"{folder} holds {levels} tokens of each group, the "
                    f"corpora before it {self.num_codebooks}: use like ones."
                )
            self.num_codebooks = levels
            opened += shards
        return opened

    def _fitting(self):
        """Numbers and lengths of the clips that can be used."""
        clips, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int16)]
        for start in range(0, len(self.index), SLICE):
            part = slice(start, start + SLICE)
            text = self.index.text_lengths(part)
            groups = self.index.groups[part].astype(np.int64)
            positions = self.count_positions(text, groups)
            wordless = (text == 0) & (self.tokenizer is not None)
            unreadable = self.index.unreadable(part)
            too_long = ~(wordless | unreadable) & (
                positions > self.max_positions
            )
            self._count("no text", wordless)
            self._count("text that cannot be read", unreadable)
            self._count(f"over {self.max_positions} positions", too_long)
            fits = ~(wordless | unreadable | too_long)
            self._count("used", fits)
            clips.append((start + np.flatnonzero(fits)).astype(np.int32))
            fitting = positions[fits]
            lengths.append(fitting.astype(_smallest(fitting)))
        return np.concatenate(clips), np.concatenate(lengths)

    def _count(self, reason, which):
        if which.any():
            self.report[reason] += int(which.sum())

    def _count_tokens(self, text_lengths, groups):
        """The positions of Stage II."""
        return groups * self.num_codebooks

    def __len__(self):
        """Clips that are used."""
        return len(self.clips)

    def speakers(self):
        """The speaker of each clip that is used, a list of str."""
        known = [name for shard in self.shards for name in shard.speakers()]
        return [known[clip] for clip in self.clips]

    def __getitem__(self, index):
        """A clip, as the class describes it."""
        clip = int(self.clips[index])
        shard = int(np.searchsorted(self._starts, clip, side="right")) - 1
        row = self.shards[shard][clip - int(self._starts[shard])]
        item = {
            "id": row.id,
            "speaker": row.speaker,
            "wrd": row.text,
            "tokens": row.tokens,
            "num_groups": len(row.tokens),
            "side": row.side,
        }
        if self.tokenizer is not None:
            ids = self.index.text(clip).astype(np.int64)
            item["text_ids"] = torch.from_numpy(ids)
        return item


def _smallest(lengths):
    """The smaller of two types that holds these lengths."""
    fits = lengths.max(initial=0) < 2**15
    return np.int16 if fits else np.int32


def _check_codec(folder, found, wanted):
    """Refuse the tokens of another codec, naming both."""
    if found[0] != wanted[0]:
        raise ValueError(
            f"The tokens in {folder} were made by codec '{found[1]}' "
            f"(fingerprint {found[0]}), not by '{wanted[1]}' (fingerprint "
            f"{wanted[0]}): tokenise the corpus with the codec you want."
        )
