"""Results of an evaluation on disk, so that it can resume.

One CSV row per utterance and system, appended when it is measured. An incomplete
last line is dropped. Rows of other settings or other data are an error. Further
systems can be added later.
"""

import csv
import hashlib
import json
from pathlib import Path

from tqdm import tqdm

from speechbrain_gogo.dataio.audio.clips import WHOLE
from speechbrain_gogo.dataio.replacing import write_csv

# Files of a model that decide what it says.
MODEL_FILES = "*.safetensors", "*.yaml", "*.json", "*.model", "phones.txt"


def write_rows(path, rows):
    """Write dicts with the same keys as a CSV file."""
    names = list(rows[0])
    write_csv(path, [names, *([row[name] for name in names] for row in rows)])


def hash_files(paths):
    """16 hex digits for the names and contents of files.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("some words")
    >>> len(hash_files([path]))
    16
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def hash_model(folder):
    """16 hex digits for the weights and the settings of a model."""
    files = (path for kind in MODEL_FILES for path in folder.rglob(kind))
    return hash_files(files)


def hash_utterances(utterances):
    """Hashes of transcripts and audio of a test set, 16 hex digits each.

    They depend on the content of files, not on their location.
    """
    metadata = {
        "transcripts": {k: row["wrd"] for k, row in utterances.items()},
        "audio": {
            k: hash_files([Path(row["wav"])]) + _name_part(row)
            for k, row in utterances.items()
        },
    }
    return {
        name: hashlib.sha256(json.dumps(of_all).encode()).hexdigest()[:16]
        for name, of_all in metadata.items()
    }


def _name_part(row):
    """Which samples of its file an utterance is, if not all."""
    samples = row.get("samples", WHOLE)
    return "" if samples == WHOLE else f" {samples}"


class ResultsFile:
    """results.csv and the settings it was made with.

    ``settings``, for JSON, are all that change values, the data included;
    ``systems`` maps the name of a system to those that change its values alone.
    Results of other settings in the folder are an error, and so are two judges
    with columns of the same name.
    """

    def __init__(self, folder, columns, settings, systems):
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder) / "results.csv"
        self.columns = ["ID", "system", *columns]
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(
                f"Two judges have columns of one name, {columns}: evaluate "
                "with each of them in a folder of its own."
            )
        self._settings_path = Path(folder) / "settings.json"
        self.rows = {}  # (ID, row of the table) -> values
        started = self.path.is_file()
        if started:
            systems = self._check(settings, systems)
            started = self._load()
        text = json.dumps({**settings, "systems": systems}, indent=2)
        self._settings_path.write_text(text + "\n")
        if not started:
            with open(self.path, "w", newline="") as stream:
                csv.writer(stream).writerow(self.columns)

    def append(self, utterance, system, values):
        """Append a row: ID, the label in the table, and the judges' columns."""
        row = {"ID": utterance, "system": system, **values}
        with open(self.path, "a", newline="") as stream:
            csv.DictWriter(stream, self.columns).writerow(row)
        self.rows[utterance, system] = row

    def complete(self, judged, utterances, systems, title=None):
        """Append the rows that judges measure, with a progress bar.

        ``judged`` gives ((utterance, system), values) of all missing rows.
        Gives system -> rows, in the order of the utterances.
        """
        wanted = [(key, system) for key in utterances for system in systems]
        done = sum(pair in self.rows for pair in wanted)
        progress = tqdm(
            judged, title, len(wanted), initial=done, dynamic_ncols=True
        )
        for pair, values in progress:
            self.append(*pair, values)
        return {s: [self.rows[key, s] for key in utterances] for s in systems}

    def _check(self, settings, systems):
        """Raise an error for rows of other settings; return all systems."""
        found = {}
        if self._settings_path.is_file():
            found = json.loads(self._settings_path.read_text())
        known = found.pop("systems", {})
        pairs = [("", found, settings)]
        pairs += [
            (f"{name}: ", known[name], systems[name])
            for name in systems
            if name in known
        ]
        changed = [
            f"{name}{key}: {old.get(key, 'not told')}, now {new.get(key)}"
            for name, old, new in pairs
            for key in sorted(set(old) | set(new))
            if old.get(key) != new.get(key)
        ]
        if changed:
            raise ValueError(
                f"{self.path} was made with other settings or data ("
                + "; ".join(changed)
                + "). Go on with those of before, choose another "
                "output_folder, or delete it."
            )
        return known | systems

    def _load(self):
        """Read the rows without an incomplete last line; whether there is a header."""
        with open(self.path, "r+b") as stream:
            left = stream.read().rfind(b"\n") + 1
            stream.truncate(left)
        with open(self.path, newline="") as stream:
            reader = csv.DictReader(stream)
            for row in reader:
                self.rows[row["ID"], row["system"]] = row
        if left and reader.fieldnames != self.columns:  # an earlier version's
            rows = self.rows.values()
            known = ([row.get(name) for name in self.columns] for row in rows)
            write_csv(self.path, [self.columns, *known])
        return left > 0
