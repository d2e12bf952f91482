"""A tokenised corpus in the forms that other recipes read.

Of the shards of a complete corpus:

    codes/<id>.npy              npy: one integer array [T', K'] per utterance
    embedding/<id>.npy          and side information for decoding, by name
    webdataset/000000.tar       webdataset: tars of <id>.npy and <id>.json
    dataset/                    datasets: for datasets.load_from_disk
    tokens.csv                  a SpeechBrain manifest of the clips
    tokens.json                 layout and codec, see identity.py

A file appears when it is complete and is not written again, so a stopped run
continues where it stopped.
"""

import csv
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import webdataset

from speechbrain_gogo.dataio.ids import unfit_id
from speechbrain_gogo.dataio.replacing import written_once
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import CorpusReport
from speechbrain_gogo.dataio.tokens.identity import FILE, read_identity
from speechbrain_gogo.dataio.tokens.laid_out import LaidOutCorpus
from speechbrain_gogo.optional_packages import import_extra

FORMS = ("npy", "webdataset", "datasets")
MANIFEST = "tokens.csv"
COLUMNS = ("ID", "duration", "wav", "spk_id", "wrd", "codes")


class TokenForms:
    """Writes forms of a corpus into a folder.

    Arguments
    ---------
    corpus : LaidOutCorpus
        The clips.
    folder : str | Path
        Folder for the forms.
    """

    def __init__(self, corpus, folder):
        self.corpus = corpus
        self.folder = Path(folder)

    def write(self, forms, wavs=None, parts=None):
        """Write some of FORMS, and then the manifest; returns a CorpusReport.

        ``wavs`` has the audio file of each id, if it has one, for the manifest;
        ``parts``, the first and last sample of clips that are a part of their
        file. Raises a ValueError if a form is unknown or its package is not
        installed, the folder has tokens of another layout or codec, or an id
        cannot be the name of a file.
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

    def _claim_layout(self):
        """Refuse a folder with forms of another layout or codec."""
        there, ours = self.folder / FILE, self.corpus.identity
        if not there.is_file():
            ours.write(self.folder)
        found = read_identity(there)
        if found != ours:
            raise ValueError(
                f"{self.folder} holds tokens in the layout '{found}': write "
                f"'{ours}' to another folder."
            )

    def _array_path(self, row, name="codes"):
        """Where a SpeechBrain recipe looks for an utterance: codes/<id>.npy."""
        if reason := unfit_id(row.id):
            raise ValueError(
                f"The id '{row.id}' {reason} and cannot be the name of a "
                f"file below {self.folder}: rename the clip."
            )
        return self.folder / name / f"{row.id}.npy"

    def _write_arrays(self):
        """An int64 array [T', K'] of each utterance, and others by name."""
        for rows in self.corpus.shards(progress="npy"):
            for row in rows:
                for name, array in {"codes": row.tokens, **row.side}.items():
                    place = self._array_path(row, name)
                    with written_once(place) as path:
                        if path is not None:
                            with open(path, "wb") as file:
                                np.save(file, array.numpy())

    def _write_tars(self):
        """A tar of each shard; its keys are ids, with dots escaped."""
        shards = self.corpus.shards(progress="webdataset")
        for number, rows in enumerate(shards):
            name = f"{number:06d}.tar"
            with written_once(self.folder / "webdataset" / name) as path:
                if path is None:
                    continue
                with webdataset.TarWriter(str(path), mtime=0) as tar:
                    for row in rows:
                        sample = {
                            "__key__": quote(row.id, "").replace(".", "%2E"),
                            "npy": row.tokens.numpy(),
                            "json": self.corpus.metadata(row),
                        }
                        tar.write(sample)

    def _write_dataset(self):
        """A row for each clip: ``tokens`` [T', K'] and the metadata."""
        import datasets

        text, number = datasets.Value("string"), datasets.Value("int64")
        floats = datasets.List(datasets.Value("float32"))
        features = {
            **dict.fromkeys(("id", "text", "speaker"), text),
            "tokens": datasets.List(datasets.List(datasets.Value("int32"))),
            **dict.fromkeys(("num_samples", "sample_rate"), number),
            "layout": text,
            "num_codebooks": number,
            **dict.fromkeys(("codec", "fingerprint"), text),
            **dict.fromkeys(self.corpus.side_names(), floats),
        }
        with written_once(self.folder / "dataset") as partial:
            if partial is None:
                return
            made = datasets.Dataset.from_generator(
                _examples,
                datasets.Features(features),
                cache_dir=str(partial / "cache"),
                gen_kwargs={"settings": self.corpus.settings},
            )
            made.save_to_disk(str(partial))
            del made  # it maps the cache
            shutil.rmtree(partial / "cache")

    def _write_manifest(self, wavs, parts):
        """The manifest; its column ``codes`` has the paths of the arrays."""
        report, seconds = ClipReport(), 0.0
        # A folder's name may not be valid UTF-8.
        written = {"encoding": "utf-8", "errors": "surrogateescape"}
        with (
            written_once(self.folder / MANIFEST, again=True) as path,
            open(path, "w", newline="", **written) as file,
        ):
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *(("start", "stop") if parts else ())])
            for rows in self.corpus.shards(report):
                for row in rows:
                    codes = self._array_path(row)
                    duration = row.num_samples / self.corpus.sample_rate
                    seconds += duration
                    writer.writerow(
                        [row.id, f"{duration:.4f}", wavs.get(row.id, "")]
                        # SpeechBrain takes $5 in a text for a variable.
                        + [row.speaker, re.sub(r"\$(?=[\w.])", "$ ", row.text)]
                        + [codes.resolve() if codes.is_file() else ""]
                        + list(parts.get(row.id, [None, None] if parts else []))
                    )
        report = CorpusReport(report, seconds / 3600)
        (self.folder / "report.txt").write_text(f"{report}\n")
        return report


def check_forms(forms):
    """Raise a ValueError if a form is unknown, or its package is missing."""
    unknown = sorted(set(forms).difference(FORMS))
    if unknown:
        raise ValueError(f"Unknown form {unknown}: use {', '.join(FORMS)}.")
    if "datasets" in forms:
        import_extra("The form 'datasets'", "datasets", "datasets")


def _examples(settings):
    """Rows; the package pickles and hashes the arguments of this function."""
    corpus = LaidOutCorpus(*settings)
    for rows in corpus.shards(progress="datasets"):
        for row in rows:
            yield {**corpus.metadata(row), "tokens": row.tokens.numpy()}
