"""A tokenised corpus in the forms that other recipes read.

From the shards of ``token_corpus.py``, once they are all there:

    codes/<id>.npy              npy: one integer array [T', K'] per utterance
    embedding/<id>.npy          and what decoding needs beside tokens, by name
    webdataset/000000.tar       webdataset: tars of <id>.npy and <id>.json
    dataset/                    datasets: for datasets.load_from_disk
    tokens.csv                  a SpeechBrain manifest of the clips

Nothing here computes. A file appears when it is complete and then stays, so
running it again writes what is missing. An id that several shards have counts
once: the first wins.
"""

import csv
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import webdataset
from tqdm import tqdm

from speechbrain_gogo.dataio.ids import unfit_id
from speechbrain_gogo.dataio.replacing import written_once
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import CorpusReport, open_corpus
from speechbrain_gogo.dataio.tokens.layouts import check_layout, lay_out

FORMS = ("npy", "webdataset", "datasets")
MANIFEST = "tokens.csv"
COLUMNS = ("ID", "duration", "wav", "spk_id", "wrd", "codes")


class TokenForms:
    """A complete corpus, and the folder that gets its forms.

    Arguments
    ---------
    corpus : str | Path
        A folder that :func:`~.tokenizing.tokenize_corpus` has filled.
    folder : str | Path
        Where the forms go.
    layout : str
        Of all forms, see token_layouts.py.
    sample_rate : int
        At which the samples of a clip are counted, in Hz.
    codes, codebooks
        See :func:`~speechbrain_gogo.dataio.tokens.layouts.lay_out`.

    Raises
    ------
    ValueError
        If the corpus is not complete, or there is no such layout.
    """

    def __init__(
        self,
        corpus,
        folder,
        layout,
        sample_rate,
        codes=None,
        codebooks=None,
    ):
        self.codes = codes, codebooks
        self.header, self._shards = open_corpus(corpus)
        self.corpus = Path(corpus)
        self.folder = Path(folder)
        self.layout = check_layout(layout)
        self.sample_rate = sample_rate

    def write(self, forms, wavs=None, parts=None):
        """Write forms, and then the manifest.

        Arguments
        ---------
        forms : sequence of str
            Some of FORMS.
        wavs : dict
            The audio file of an id, where it has one, for the manifest.
        parts : dict
            The samples of that file between which the clip is, if not all.

        Returns
        -------
        CorpusReport
            What became of every clip.

        Raises
        ------
        ValueError
            If a form is unknown or needs a package that is not there, the
            folder holds another layout, or an id cannot be the name of a file.
        """
        check_forms(forms)
        self._claim_layout()
        writers = {
            "npy": self._write_arrays,
            "webdataset": self._write_tars,
            "datasets": self._write_dataset,
        }
        for form in forms:
            writers[form]()
        return self._write_manifest(wavs or {}, parts or {})

    def shards(self, report=None):
        """The clips of one shard after the other, each id once.

        Arguments
        ---------
        report : ClipReport
            Counts what became of them.

        Yields
        ------
        list of TokenRow
            With their tokens laid out.
        """
        report = ClipReport() if report is None else report
        seen = set()
        for shard in self._shards:
            rows = []
            report.update(shard.report.skipped)
            for place in range(len(shard)):
                row = shard[place]
                if row.id in seen:
                    report["id of an earlier shard"] += 1
                    continue
                seen.add(row.id)
                report["used"] += 1
                tokens = lay_out(row.tokens, self.layout, *self.codes)
                rows.append(row._replace(tokens=tokens))
            yield rows

    def metadata(self, row):
        """What is known of a clip beside its tokens, JSON-able."""
        return {
            "id": row.id,
            "text": row.text,
            "speaker": row.speaker,
            "num_samples": row.num_samples,
            "sample_rate": self.sample_rate,
            "codec": self.header["codec"],
            "fingerprint": self.header["fingerprint"],
            **{name: value.tolist() for name, value in row.side.items()},
        }

    def _claim_layout(self):
        """Files that are there stay: they must be of the same making."""
        path = self.folder / "layout.txt"
        ours = (
            f"{self.layout}, {self.header['num_codebooks']} tokens per group "
            f"of codec {self.header['fingerprint']}"
        )
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{ours}\n")
        there = path.read_text().strip()
        if there != ours:
            raise ValueError(
                f"{self.folder} holds tokens in the layout '{there}': write "
                f"'{ours}' to another folder."
            )

    def _shown(self, form):
        """The shards, with a bar for whoever waits."""
        return tqdm(self.shards(), desc=form, total=len(self._shards))

    def _array_path(self, row, name="codes"):
        """Where a host recipe looks for an utterance: codes/<id>.npy."""
        if reason := unfit_id(row.id):
            raise ValueError(
                f"The id '{row.id}' {reason} and cannot be the name of a "
                f"file below {self.folder}: rename the clip."
            )
        return self.folder / name / f"{row.id}.npy"

    def _write_arrays(self):
        """Of each utterance an int64 array [T', K'], and others by name."""
        for rows in self._shown("npy"):
            for row in rows:
                for name, array in {"codes": row.tokens, **row.side}.items():
                    place = self._array_path(row, name)
                    with written_once(place) as path:
                        if path is not None:
                            with open(path, "wb") as file:
                                np.save(file, array.numpy())

    def _write_tars(self):
        """Of each shard a tar; its keys are ids, with dots escaped."""
        for number, rows in enumerate(self._shown("webdataset")):
            name = f"{number:06d}.tar"
            with written_once(self.folder / "webdataset" / name) as path:
                if path is None:
                    continue
                with webdataset.TarWriter(str(path), mtime=0) as tar:
                    for row in rows:
                        sample = {
                            "__key__": quote(row.id, "").replace(".", "%2E"),
                            "npy": row.tokens.numpy(),
                            "json": self.metadata(row),
                        }
                        tar.write(sample)

    def _write_dataset(self):
        """A row per utterance: ``tokens`` [T', K'] and the metadata."""
        datasets = import_datasets()
        text, number = datasets.Value("string"), datasets.Value("int64")
        features = {
            **dict.fromkeys(("id", "text", "speaker"), text),
            "tokens": datasets.List(datasets.List(datasets.Value("int32"))),
            **dict.fromkeys(("num_samples", "sample_rate"), number),
            **dict.fromkeys(("codec", "fingerprint"), text),
        }
        clips = (shard[0] for shard in self._shards if len(shard))
        floats = datasets.List(datasets.Value("float32"))
        features |= dict.fromkeys(next(clips).side, floats)
        settings = {
            "corpus": str(self.corpus),
            "folder": str(self.folder),
            "layout": self.layout,
            "sample_rate": self.sample_rate,
        }
        with written_once(self.folder / "dataset") as path:
            if path is None:
                return
            made = datasets.Dataset.from_generator(
                _examples,
                datasets.Features(features),
                cache_dir=str(path / "cache"),
                gen_kwargs=settings,
            )
            made.save_to_disk(str(path))
            del made  # it maps the cache
            shutil.rmtree(path / "cache")

    def _write_manifest(self, wavs, parts):
        """What host recipes read; the arrays are in its column codes."""
        report, seconds = ClipReport(), 0.0
        # A folder's name may be no UTF-8.
        written = {"encoding": "utf-8", "errors": "surrogateescape"}
        with (
            written_once(self.folder / MANIFEST, again=True) as path,
            open(path, "w", newline="", **written) as file,
        ):
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *(("start", "stop") if parts else ())])
            for rows in self.shards(report):
                for row in rows:
                    codes = self._array_path(row)
                    duration = row.num_samples / self.sample_rate
                    seconds += duration
                    writer.writerow(
                        [row.id, f"{duration:.4f}", wavs.get(row.id, "")]
                        # The host takes $5 in a text for a variable.
                        + [row.speaker, re.sub(r"\$(?=[\w.])", "$ ", row.text)]
                        + [codes.resolve() if codes.is_file() else ""]
                        + list(parts.get(row.id, [None, None] if parts else []))
                    )
        report = CorpusReport(report, seconds / 3600)
        (self.folder / "report.txt").write_text(f"{report}\n")
        return report


def check_forms(forms):
    """Refuse what could not be written at the end.

    Arguments
    ---------
    forms : sequence of str
        Some of FORMS.

    Raises
    ------
    ValueError
        If a form is unknown, or needs a package that is not there.
    """
    unknown = sorted(set(forms).difference(FORMS))
    if unknown:
        raise ValueError(f"Unknown form {unknown}: use {', '.join(FORMS)}.")
    if "datasets" in forms:
        import_datasets()


def import_datasets():
    """The package, or a ValueError that tells how to get it."""
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "The form 'datasets' needs the package of this name: "
            "pip install 'speechbrain-gogo[datasets]'."
        ) from None
    return datasets


def _examples(**settings):
    """Rows for datasets, which reads them from a place of its own."""
    forms = TokenForms(**settings)
    for rows in forms._shown("datasets"):
        for row in rows:
            yield {**forms.metadata(row), "tokens": row.tokens.numpy()}
