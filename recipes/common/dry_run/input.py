"""A line of the part "Reads" of a dry run."""

from typing import NamedTuple


class Input(NamedTuple):
    """Something that an experiment would read.

    Arguments
    ---------
    name : str
        Of its setting.
    text : str
        What is there.
    hours : float
        Of its usable audio; None if that is unknown.
    missing : bool
        Whether the experiment would fail for the lack of it.
    download : str
        Id of a model of the hub that is not in its cache.
    """

    name: str
    text: str
    hours: float | None = None
    missing: bool = False
    download: str | None = None
