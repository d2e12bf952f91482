"""Tokenised corpora as training data for the language models.

Shards of tokens (see ``token_shards.py``) as a dataset that is read from the
disk clip by clip. Clips that do not fit a model's positions are left out and
counted; the rest has its number of positions in ``lengths``, by which the
host's DynamicBatchSampler makes batches.
"""

from torch import LongTensor
from torch.utils.data import Dataset

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import open_corpus


class TokenDataset(Dataset):
    """Clips as token matrices, with their text as ids.

    An item is a dict with ``id``, ``speaker`` and ``wrd`` (str), ``tokens``
    (int64 [N, K]), ``num_groups`` (N), and with a text tokenizer ``text_ids``
    (int64 [L]); SpeechBrain's PaddedBatch collates them. The order is that of
    the folders, their shards, and the ids in each shard.

    Arguments
    ---------
    folders : str, Path or list of them
        Corpora that one codec tokenised, such as those of
        recipes/LibriTTS/speech_lm/tokenize_corpus.py.
    max_positions : int
        Longer clips are left out.
    count_positions : callable
        (length of the text in ids, number of groups) to positions, such as
        ``BackboneLM.sequence_length``; every token by default, as Stage II
        reads them.
    tokenizer : WordPieces | HubTokenizer
        Adds ``text_ids`` and leaves out clips without text; None ignores the
        text.
    codec : GogoCodec
        Checks that the tokens are of this codec.

    Attributes
    ----------
    lengths : list of int
        Positions of each clip, for ``DynamicBatchSampler(lengths_list=)``.
    sizes : list of tuple of int
        Ids of each clip's text, and its groups.
    num_codebooks : int
        Tokens of each group.
    report : ClipReport
        What became of every clip, from the audio of the corpora on.

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
    ):
        super().__init__()
        self.max_positions = max_positions
        self.count_positions = count_positions or self._count_tokens
        self.tokenizer = tokenizer
        self.report = ClipReport()
        self.num_codebooks = None
        self.lengths, self.sizes = [], []
        self.shards, self._places = [], []
        several = isinstance(folders, (list, tuple))
        made_by = codec and (codec.fingerprint, codec.name)
        for folder in folders if several else [folders]:
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
            for shard in shards:
                self._add(shard)
        if not self._places:
            raise ValueError(f"No usable clip in {folders}: {self.report}.")

    def _add(self, shard):
        """Take up the clips of a shard that can be used."""
        text_lengths = [0] * len(shard)
        if self.tokenizer is not None:
            ids = self.tokenizer.encode_batch(shard.texts())
            text_lengths = [len(of_clip) for of_clip in ids]
        self.report.update(shard.report.skipped)
        too_long = f"over {self.max_positions} positions"
        for place, known in enumerate(zip(text_lengths, shard.num_groups)):
            text_length, groups = known
            positions = self.count_positions(text_length, groups)
            if self.tokenizer is not None and not text_length:
                self.report["no text"] += 1
            elif positions > self.max_positions:
                self.report[too_long] += 1
            else:
                self.report["used"] += 1
                self.lengths.append(positions)
                self.sizes.append(known)
                self._places.append((len(self.shards), place))
        self.shards.append(shard)

    def _count_tokens(self, text_length, groups):
        """The positions of Stage II."""
        return groups * self.num_codebooks

    def __len__(self):
        """Clips that are used."""
        return len(self._places)

    def speakers(self):
        """The speaker of each clip that is used, a list of str."""
        known = [shard.speakers() for shard in self.shards]
        return [known[shard][place] for shard, place in self._places]

    def __getitem__(self, index):
        """A clip, as the class describes it."""
        shard, place = self._places[index]
        row = self.shards[shard][place]
        item = {
            "id": row.id,
            "speaker": row.speaker,
            "wrd": row.text,
            "tokens": row.tokens,
            "num_groups": len(row.tokens),
        }
        if self.tokenizer is not None:
            item["text_ids"] = LongTensor(self.tokenizer.encode(row.text))
        return item


def _check_codec(folder, found, wanted):
    """Refuse the tokens of another codec, naming both."""
    if found[0] != wanted[0]:
        raise ValueError(
            f"The tokens in {folder} were made by codec '{found[1]}' "
            f"(fingerprint {found[0]}), not by '{wanted[1]}' (fingerprint "
            f"{wanted[0]}): tokenise the corpus with the codec you want."
        )
