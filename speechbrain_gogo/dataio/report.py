"""Every clip that is read is used, or skipped and counted by its reason."""

from collections import Counter


class SkipClip(Exception):
    """One clip cannot be used; the message is the reason it is counted by."""


class ClipReport(Counter):
    """Counts what became of every clip: "used", or a reason to skip it.

    Reports of workers, of ranks and of parts of an epoch add up with ``+``.

    Example
    -------
    >>> report = ClipReport(used=3) + ClipReport({"too short": 1})
    >>> report.read, report.used, report.skipped
    (4, 3, {'too short': 1})
    >>> print(report)
    read 4 clips = used 3 + skipped 1 (too short: 1)
    """

    @property
    def read(self):
        """Clips of which the fate is known."""
        return sum(self.values())

    @property
    def used(self):
        """Clips handed out in batches."""
        return self["used"]

    @property
    def skipped(self):
        """Clips that were not used, by reason."""
        return {key: n for key, n in sorted(self.items()) if key != "used"}

    def __add__(self, other):
        """The counts of both."""
        return ClipReport(Counter.__add__(self, other))

    def __str__(self):
        """One line for the log."""
        reasons = ", ".join(f"{key}: {n}" for key, n in self.skipped.items())
        return (
            f"read {self.read} clips = used {self.used} + skipped "
            f"{self.read - self.used} ({reasons or 'none'})"
        )
