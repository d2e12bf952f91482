"""Counts of clips that were used, or skipped by reason."""

from collections import Counter


class SkipClip(Exception):
    """A clip cannot be used; the message is the reason."""


class ClipReport(Counter):
    """Counts of clips: "used", or the reason to skip them.

    Reports of workers, ranks and parts of an epoch can be added with ``+``.

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
        """Number of clips that were used or skipped."""
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
