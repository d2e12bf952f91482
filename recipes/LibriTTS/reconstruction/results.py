"""The rows of an evaluation on disk, so that a killed one goes on.

One CSV row per utterance and system, appended as it is measured. A line that
a kill cut short is dropped; rows that were made with other settings are
refused, never mixed in.
"""

import csv
import json
from pathlib import Path


class ResultsFile:
    """results.csv and the settings it was made with.

    Arguments
    ---------
    folder : str | Path
        Where both files are or will be.
    columns : list of str
        The judges' columns.
    settings : dict
        Whatever decides the values, JSON only.

    Raises
    ------
    ValueError
        If the folder holds results of other settings.
    """

    def __init__(self, folder, columns, settings):
        self.path = Path(folder) / "results.csv"
        self.columns = ["ID", "system", *columns]
        self._settings_path = Path(folder) / "settings.json"
        self.rows = {}  # (ID, system) -> row
        if self.path.is_file():
            self._check(settings)
            self._load()
        else:
            text = json.dumps(settings, indent=2)
            self._settings_path.write_text(text + "\n")
            with open(self.path, "w", newline="") as stream:
                csv.writer(stream).writerow(self.columns)

    def append(self, utterance, system, values):
        """Keep what was measured.

        Arguments
        ---------
        utterance : str
            Its ID.
        system : str
            The system's label.
        values : dict
            The judges' columns.
        """
        row = {"ID": utterance, "system": system, **values}
        with open(self.path, "a", newline="") as stream:
            csv.DictWriter(stream, self.columns).writerow(row)
        self.rows[utterance, system] = row

    def _check(self, settings):
        """Refuse rows that were made with other settings."""
        if self._settings_path.is_file():
            found = json.loads(self._settings_path.read_text())
        else:
            found = {}
        keys = sorted(set(found) | set(settings))
        changed = [k for k in keys if found.get(k) != settings.get(k)]
        if changed:
            raise ValueError(
                f"{self.path} was made with other settings ("
                + "; ".join(
                    f"{k}: {found.get(k)}, now {settings.get(k)}"
                    for k in changed
                )
                + "). Choose another output_folder, or delete it."
            )

    def _load(self):
        """Read the rows, after cutting off an unfinished last line."""
        with open(self.path, "r+b") as stream:
            stream.truncate(stream.read().rfind(b"\n") + 1)
        with open(self.path, newline="") as stream:
            for row in csv.DictReader(stream):
                self.rows[row["ID"], row["system"]] = row
