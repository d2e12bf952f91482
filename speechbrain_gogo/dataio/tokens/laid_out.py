"""A tokenised corpus in the layout of other recipes.

Clips are read shard by shard. If several shards have the same id, the first
clip is used.
"""

from tqdm import tqdm

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import HEADER, open_corpus
from speechbrain_gogo.dataio.tokens.identity import identity_of
from speechbrain_gogo.dataio.tokens.layouts import check_layout, lay_out


class LaidOutCorpus:
    """The clips of a complete corpus, with their tokens in a layout.

    ``folder`` is one that ``tokenize_corpus`` has filled; ``layout``, ``codes``
    and ``codebooks`` are those of
    :func:`~speechbrain_gogo.dataio.tokens.layouts.lay_out`; sample counts of
    clips are at ``sample_rate``, in Hz. Raises a ValueError if the corpus is
    not complete, or there is no such layout.
    """

    def __init__(self, folder, layout, sample_rate, codes=None, codebooks=None):
        self.settings = folder, layout, sample_rate, codes, codebooks
        self.header, self._shards = open_corpus(folder)
        self.layout = check_layout(layout)
        self.sample_rate = sample_rate
        self._books = codes, codebooks

    @property
    def identity(self):
        """Layout and codec, a TokenIdentity."""
        return identity_of({"layout": self.layout, **self.header}, HEADER)

    def shards(self, report=None, progress=None):
        """Yield the clips of each shard, a list of TokenRow, each id once.

        ``report`` counts used and skipped clips; ``progress`` is the name of a
        progress bar, if there is to be one.
        """
        report = ClipReport() if report is None else report
        seen = set()
        hidden = progress is None
        for shard in tqdm(self._shards, desc=progress, disable=hidden):
            rows = []
            report.update(shard.report.skipped)
            for index in range(len(shard)):
                row = shard[index]
                if row.id in seen:
                    report["id of an earlier shard"] += 1
                    continue
                seen.add(row.id)
                report["used"] += 1
                tokens = lay_out(row.tokens, self.layout, *self._books)
                rows.append(row._replace(tokens=tokens))
            yield rows

    def metadata(self, row):
        """Everything about a clip except its tokens, as a dict for JSON."""
        return {
            "id": row.id,
            "text": row.text,
            "speaker": row.speaker,
            "num_samples": row.num_samples,
            "sample_rate": self.sample_rate,
            **self.identity._asdict(),
            **{name: value.tolist() for name, value in row.side.items()},
        }

    def side_names(self):
        """Names of further arrays of clips, besides their tokens."""
        first = next(shard[0] for shard in self._shards if len(shard))
        return list(first.side)
