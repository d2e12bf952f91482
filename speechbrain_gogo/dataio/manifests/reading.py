"""The rows of a SpeechBrain CSV manifest that can be read."""

from speechbrain_gogo.dataio.manifests.rows import parse_number, read_table
from speechbrain_gogo.dataio.report import ClipReport, SkipClip


def read_manifest(csv_path, data_root):
    r"""The rows of a manifest, each id once.

    The host's reader takes every dollar sign for a variable, those of prices
    in transcripts too, and stops at the first bad row.

    Arguments
    ---------
    csv_path : str | Path
        SpeechBrain CSV manifest with ID, duration (seconds), wav and, where
        words are needed, wrd; also spk_id, if it is there, and start and
        stop, the samples of the file between which the clip is.
    data_root : str | Path
        Replaces ``$data_root`` in ``wav``.

    Returns
    -------
    tuple
        dict of id to row, and the ClipReport of what was left out. A row has
        duration, wav, wrd, spk_id, and samples, (first, end) of the file,
        (0, None) for all of it.

    Raises
    ------
    ValueError
        If there is no such file, a column of it is missing, or it is no
        UTF-8 with commas.

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


def _describe(told, data_root):
    """ID and row of a clip, as :func:`read_manifest` has them."""
    if told is None:
        raise SkipClip("more fields than columns")
    if not told["ID"]:
        raise SkipClip("no ID")
    try:
        duration = float(told["duration"])
    except ValueError:
        raise SkipClip("no duration") from None
    row = {
        "duration": duration,
        "wav": told["wav"].replace("$data_root", str(data_root)),
        "wrd": told.get("wrd", ""),
        "spk_id": told.get("spk_id", ""),
        "samples": _parse_samples(told.get("start"), told.get("stop")),
    }
    return told["ID"], row


def _parse_samples(start, stop):
    """The samples of its file that are a clip, as the host has them."""
    first = parse_number(start or "0")
    end = parse_number(stop) if stop else None
    told = [first, end] if stop else [first]
    if any(number is None or number % 1 for number in told):
        raise SkipClip("start or stop is no sample")
    if first < 0 or (stop and end <= first):
        raise SkipClip("start or stop is no sample")
    return int(first), int(end) if stop else None
