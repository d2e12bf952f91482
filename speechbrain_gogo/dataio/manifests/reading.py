"""The rows of a SpeechBrain CSV manifest that can be read."""

from speechbrain_gogo.dataio.manifests.rows import parse_number, read_table
from speechbrain_gogo.dataio.report import ClipReport, SkipClip


def read_manifest(csv_path, data_root):
    r"""The rows of a manifest, each id once.

    SpeechBrain's reader treats every dollar sign as a variable, also those of
    prices in transcripts, and stops at the first invalid row.

    Arguments
    ---------
    csv_path : str | Path
        SpeechBrain CSV manifest with ID, duration (seconds), wav and, where
        words are needed, wrd. Optional are spk_id, and start and stop, the
        first sample of the clip in its file and the one after its last.
    data_root : str | Path
        Replaces ``$data_root`` in ``wav``.

    Returns
    -------
    tuple
        dict of id to row, and the ClipReport of the rows that were skipped. A
        row has duration, wav, wrd, spk_id and samples: (start, stop), or
        (0, None) for the whole file.

    Raises
    ------
    ValueError
        If the file or a column does not exist, or the file is not UTF-8
        with commas.

    Example
    -------
    >>> path = getfixture("tmp_path") / "clips.csv"
    >>> _ = path.write_text(
    ...     "ID,duration,wav,wrd\n"
    ...     "a,1.5,$data_root/a.wav,It costs $5.\n"
    ...     "b,long,$data_root/b.wav,Nobody knows.\n"
    ... )
    >>> rows, report = read_manifest(path, "/speech")
    >>> [row["wrd"] for row in rows.values()], rows["a"]["wav"]
    (['It costs $5.'], '/speech/a.wav')
    >>> print(report)
    read 1 clips = used 0 + skipped 1 (no duration: 1)
    """
    rows, report = {}, ClipReport()
    names, table = read_table(csv_path)
    missing = {"ID", "duration", "wav"} - set(names)
    if missing:
        raise ValueError(
            f"{csv_path} has no column {sorted(missing)}: a manifest needs "
            "ID, duration, wav and wrd."
        )
    for fields in table:
        try:
            key, row = _describe(fields and dict(zip(names, fields)), data_root)
        except SkipClip as reason:
            report[str(reason)] += 1
            continue
        if key in rows:
            report["duplicate ID"] += 1
        else:
            rows[key] = row
    return rows, report


def read_complete_manifest(csv_path, data_root):
    """The rows of a manifest of which each has to be usable, as a test set.

    Returns the rows of :func:`read_manifest`, id to row. Raises a ValueError if
    one cannot be used, beside the errors of that function.
    """
    rows, report = read_manifest(csv_path, data_root)
    if report.skipped:
        raise ValueError(
            f"{csv_path}: a test set has to be complete, but {report}. Mend or "
            "delete these rows."
        )
    return rows


def _describe(fields, data_root):
    """ID and row of a clip, as :func:`read_manifest` returns them."""
    if fields is None:
        raise SkipClip("more fields than columns")
    if not fields["ID"]:
        raise SkipClip("no ID")
    duration = parse_number(fields["duration"])
    if duration is None:
        raise SkipClip("no duration")
    row = {
        "duration": duration,
        "wav": fields["wav"].replace("$data_root", str(data_root)),
        "wrd": fields.get("wrd", ""),
        "spk_id": fields.get("spk_id", ""),
        "samples": _parse_samples(fields.get("start"), fields.get("stop")),
    }
    return fields["ID"], row


def _parse_samples(start, stop):
    """The samples (start, stop) of a clip in its file, as in SpeechBrain."""
    first = parse_number(start or "0")
    end = parse_number(stop) if stop else None
    given = [first, end] if stop else [first]
    if any(number is None or number % 1 for number in given):
        raise SkipClip("start or stop is no sample")
    if first < 0 or (stop and end <= first):
        raise SkipClip("start or stop is no sample")
    return int(first), int(end) if stop else None
