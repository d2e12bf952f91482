"""The rows of CSV manifests of any program.

Another encoding or delimiter is an error, which names the file and the line. A
row that is not well formed is skipped alone. (For the csv module, all rows between
an unclosed quote and the next quote are one field.)
"""

import codecs
import csv
import io
import math
import os
from pathlib import Path

OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
NOT_UTF8 = (
    "it has to be UTF-8. Save it as such (in a spreadsheet, 'CSV UTF-8')."
)


def read_table(csv_path):
    r"""The names of a manifest's columns, and the fields of each row.

    A row has as many fields as there are columns, or is None if it is not well
    formed. Empty lines are ignored. Raises a ValueError if the file does not
    exist or is not UTF-8, or its columns are not separated by commas.

    Example
    -------
    >>> path = getfixture("tmp_path") / "clips.csv"
    >>> _ = path.write_text('ID,wrd\na,"Well, well\nb,"No, no"\nc,one,two\n')
    >>> read_table(path)
    (['ID', 'wrd'], [None, ['b', 'No, no'], None])
    """
    lines = read_lines(csv_path)
    head, place = _parse_record(lines, 0, lambda line: False)
    names = [name.strip() for name in head or ()]
    _check_delimiter(names, csv_path)

    def is_row(line):
        fields = _parse_line(line) or ()
        duration = dict(zip(names, fields)).get("duration", "0")
        is_number = parse_number(duration) is not None
        return len(fields) == len(names) and is_number

    rows = []
    while place < len(lines):
        fields, place = _parse_record(lines, place, is_row)
        if fields is None or any(fields):
            rows.append(_fit(fields, len(names)))
    return names, rows


def parse_number(text):
    """The finite number that a text is, None if it is none.

    Example
    -------
    >>> parse_number(" 1.5"), parse_number("nan"), parse_number("1,5")
    (1.5, None, None)
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def read_lines(csv_path):
    """The lines of a text file in UTF-8, with line ends, without its BOM.

    Raises a ValueError if the file does not exist or is not UTF-8.
    """
    path = Path(csv_path).absolute()
    if not os.path.isfile(path):
        raise ValueError(
            f"No manifest at {path}: give the path of a SpeechBrain CSV file, "
            "or, in a recipe that has skip_prep, let it be made (False)."
        )
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f"{path}, line 1, is UTF-16: {NOT_UTF8}")
    try:
        text = data.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}, holds the byte 0x{data[error.start]:02x}, "
            f"which is not UTF-8 there: {NOT_UTF8}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"{path}, line {line}, holds a NUL byte: {NOT_UTF8}")
    return list(io.StringIO(text, newline=""))


def _check_delimiter(names, csv_path):
    """Raise an error if the first line has another delimiter than commas."""
    for mark, called in OTHER_DELIMITERS.items():
        if len(names) == 1 and mark in names[0]:
            raise ValueError(
                f"{csv_path}, line 1: its columns are separated by {called}. "
                "A manifest has commas: save it as comma-separated values."
            )


def _parse_record(lines, start, is_row):
    """The fields of the record that starts at a line, and the line after it.

    A quoted field may extend over several lines. If one of these is a valid row
    by itself, a quote was not closed, and the record is the first line alone.
    """
    reader = csv.reader(
        (lines[place] for place in range(start, len(lines))),
        strict=True,
        skipinitialspace=True,
    )
    try:
        fields = next(reader, [])
    except csv.Error:
        return _parse_line(lines[start]), start + 1
    end = start + max(1, reader.line_num)
    if any(is_row(line) for line in lines[start + 1 : end]):
        return _parse_line(lines[start]), start + 1
    return fields, end


def _parse_line(line):
    """The fields of a line, quotes ignored; None if it cannot be parsed."""
    try:
        reader = csv.reader(
            [line], quoting=csv.QUOTE_NONE, skipinitialspace=True
        )
        return [field.strip('"') for field in next(reader, [])]
    except csv.Error:  # a field beyond the limit of the csv module
        return None


def _fit(fields, count):
    """The fields, padded with empty ones to ``count``; None if there are more."""
    if fields is None or any(fields[count:]):
        return None
    return fields[:count] + [""] * (count - len(fields))
