"""Packages that are optional: those of the extras in setup.py."""

from importlib import import_module
from importlib.metadata import version


def import_backend(module, package, extra="metrics"):
    """Check that a package is installed, and return "package version".

    Arguments
    ---------
    module, package : str
        The module's name, and the distribution that contains it.
    extra : str
        The extra of this package that installs it, if any.

    Raises
    ------
    ImportError
        If it is not installed, with what to install.

    Example
    -------
    >>> import_backend("scipy.stats", "scipy").split()[0]
    'scipy'
    """
    try:
        import_module(module)
    except ImportError as error:
        wanted = f'"speechbrain_gogo[{extra}]"' if extra else package
        raise ImportError(
            f"{package} is needed ({error}): pip install {wanted}"
        ) from error
    return f"{package} {version(package)}"


def import_extra(use, extra, *modules):
    """Raise a ValueError with what to install if modules of an extra are missing.

    ``use`` says what needs them.

    Example
    -------
    >>> import_extra("Nothing", "metrics", "json")
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{use} needs {error.name}: "
                f"pip install 'speechbrain-gogo[{extra}]'"
            ) from None
