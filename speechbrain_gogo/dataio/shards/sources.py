"""Where tars come from: local files, commands, and remote storage.

    /data/EN-B000000.tar                       a file
    pipe:ssh host cat /data/EN-B000000.tar     the output of a command (webdataset)
    s3://bucket/EN-B000000.tar                 fsspec: also https:, gs:, hf:, ...

fsspec needs a package for each kind of storage: s3fs for s3:, aiohttp for http:
and https:, huggingface_hub for hf:. Remote tars are read as streams and never
stored.
"""

import os
import re
from contextlib import contextmanager, suppress

import fsspec
from webdataset.gopen import gopen

COMMAND = "pipe:"
HELD = 2**16  # last bytes of a stream, which can be read again


def is_command(name):
    """Whether a tar is the output of a command."""
    return str(name).startswith(COMMAND)


def is_remote(name):
    """Whether a name is a remote address, such as s3://bucket/x.tar.

    Example
    -------
    >>> is_remote("hf://datasets/a/b/x.tar"), is_remote("EN/x.tar")
    (True, False)
    """
    return re.match(r"[a-z][a-z0-9+.-]*://", str(name)) is not None


def is_local(name):
    """Whether a tar is a local file."""
    return not (is_command(name) or is_remote(name))


def find_remote(pattern):
    """The addresses of the tars at an address, a list of str; it may be empty.

    A tar, which is not checked, a glob pattern, or a folder, which is searched
    recursively. Raises a ValueError if the storage cannot be reached, or needs
    a package that is missing.
    """
    if pattern.endswith(".tar") and not re.search(r"[*?\[]", pattern):
        return [pattern]
    try:
        system, path = fsspec.core.url_to_fs(pattern)
        if re.search(r"[*?\[]", path):
            found = system.glob(path)
        else:
            found = system.find(path)
    except (ImportError, OSError, ValueError) as error:
        raise ValueError(
            f"No tar could be listed at {pattern}: {error}"
        ) from error
    tars = [path for path in found if path.endswith(".tar")]
    return [system.unstrip_protocol(path) for path in tars]


@contextmanager
def open_shard(name):
    """Open a tar to read: yields a binary file, and its size in bytes.

    The size is infinite if it is unknown. Raises an OSError if the path, the
    output of the command or the address cannot be opened.
    """
    if is_local(name):
        with open(name, "rb") as file:
            yield file, os.path.getsize(name)
        return
    stream = _open_stream(name)
    try:
        yield ForwardFile(stream), float("inf")
    finally:
        with suppress(OSError):  # missing data is found in the tar itself
            stream.close()


def _open_stream(name):
    """A stream that is not a local file."""
    if is_command(name):
        return gopen(name, "rb")
    try:
        return fsspec.open(name, "rb").open()
    except ImportError:
        raise
    except Exception as error:  # each storage has errors of its own
        raise OSError(f"{name} cannot be opened: {error}") from error


class ForwardFile:
    """A stream with forward seeks, and backward ones by up to 64 KB.

    Of the binary ``stream``, only ``read`` is used.

    Example
    -------
    >>> import io
    >>> file = ForwardFile(io.BytesIO(b"abcdef"))
    >>> _ = file.seek(3)
    >>> file.read(2), file.seek(1), file.read(9)
    (b'de', 1, b'bcdef')
    """

    def __init__(self, stream):
        self.stream = stream
        self.held = b""  # the last bytes that were read from the stream
        self.end = 0  # position after these bytes
        self.place = 0

    def tell(self):
        """Position of the next read."""
        return self.place

    def seek(self, place):
        """Set the position, counted from the beginning, and return it."""
        if place < self.end - len(self.held):
            raise OSError(f"A stream cannot go back to byte {place}.")
        while self.end < place and self._fetch(min(place - self.end, HELD)):
            pass
        self.place = place
        return place

    def read(self, size):
        """Read ``size`` bytes, fewer only at the end of the stream."""
        missing = self.place + size - self.end
        while missing > 0 and (got := self._fetch(missing, self.place)):
            missing -= got
        start = self.place - (self.end - len(self.held))
        found = self.held[start : start + size]
        self.place += len(found)
        self.held = self.held[-HELD:]
        return found

    def _fetch(self, size, keep=None):
        """Read from the stream and return the number of bytes.

        Bytes from position ``keep`` on stay available, and the last 64 KB.
        """
        try:
            piece = self.stream.read(size)
        except Exception as error:  # each storage has errors of its own
            raise OSError(f"A stream broke off: {error}") from error
        self.held += piece
        self.end += len(piece)
        first = self.end - HELD if keep is None else min(keep, self.end - HELD)
        self.held = self.held[max(0, first - (self.end - len(self.held))) :]
        return len(piece)
