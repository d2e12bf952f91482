"""The rows of a CSV manifest, whatever program wrote it.

A file in another encoding or with another delimiter is refused, by file and
line. A row that is not well formed costs that row alone: a quote that is not
closed would otherwise make one field of all rows up to the next quote.
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
    r"""The columns and rows of a manifest.

    Arguments
    ---------
    csv_path : str | Path
        The manifest.

    Returns
    -------
    tuple
        Names of the columns; and of each row its fields, as many as there
        are columns, or None where the row is not well formed. Lines without
        content are no rows.

    Raises
    ------
    ValueError
        If there is no such file, it is not UTF-8, or its columns are
        separated by something else than commas.

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
        told = dict(zip(names, fields)).get("duration", "0")
        return len(fields) == len(names) and parse_number(told) is not None

    rows = []
    while place < len(lines):
        fields, place = _parse_record(lines, place, is_row)
        if fields is None or any(fields):
            rows.append(_fit(fields, len(names)))
    return names, rows


def parse_number(text):
    """A finite number, None if the text is none.

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
    """The lines of a text file in UTF-8, with their ends.

    Arguments
    ---------
    csv_path : str | Path
        The file; a byte order mark at its beginning is left out.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there is no such file, or it is no UTF-8.
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
    """Refuse a head of a single column that other delimiters would split."""
    for mark, called in OTHER_DELIMITERS.items():
        if len(names) == 1 and mark in names[0]:
            raise ValueError(
                f"{csv_path}, line 1: its columns are separated by {called}. "
                "A manifest has commas: save it as comma-separated values."
            )


def _parse_record(lines, start, is_row):
    """The fields of the record that starts at a line, and where it ends.

    A field between quotes may go over several lines. It does not if one of
    them is a row by itself: then a quote was not closed.
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
    """The fields of a line whose quotes mean nothing, None if it has none."""
    try:
        reader = csv.reader(
            [line], quoting=csv.QUOTE_NONE, skipinitialspace=True
        )
        return [field.strip('"') for field in next(reader, [])]
    except csv.Error:  # a field beyond the limit of the csv module
        return None


def _fit(fields, count):
    """As many fields as there are columns; None if there are more.

    Fields that are missing at the end are empty.
    """
    if fields is None or any(fields[count:]):
        return None
    return fields[:count] + [""] * (count - len(fields))
