"""Imports torchaudio, or says how to make it importable.

The compiled part of torchaudio works with some builds of torch only, and no
package declares that: an installation may look complete and fail at import.
Each subpackage imports this module first, so it also imports SpeechBrain, without
the part of SciPy that would take most of the time.
"""

from importlib.metadata import PackageNotFoundError, version

from speechbrain_gogo.lazy_scipy import import_speechbrain

# The pair that setup.py allows.
WORKING = "torch>=2.13,<2.16", "torchaudio>=2.11.1,<2.12"


def explain(error):
    """Say which releases do not work together, and which ones to install.

    Example
    -------
    >>> "'torch>=2.13,<2.16'" in explain(OSError("no such symbol"))
    True
    """
    torch, torchaudio = _version("torch"), _version("torchaudio")
    reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if torch.endswith("+cpu"):
        mend = (
            "install the CPU build of torchaudio from where this torch came "
            "from, or replace both"
        )
    else:
        mend = "install a pair that works together"
    wanted = " ".join(f"'{each}'" for each in WORKING)
    return (
        f"torchaudio {torchaudio} cannot be loaded beside torch {torch} "
        f"({reason or type(error).__name__}): {mend}: pip install "
        f"--force-reinstall {wanted}"
    )


def _version(package):
    """The version that is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


try:
    import torchaudio  # noqa: F401
except (ImportError, OSError, RuntimeError) as error:
    raise ImportError(explain(error)) from error

import_speechbrain()
