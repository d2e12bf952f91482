"""IDs of clips as file names and as text.

Tokens of a clip are written to ``codes/<id>.npy``, so an id must be a relative
path. Names in tars are bytes; bytes that are not UTF-8 are escaped.
"""

import zlib
from pathlib import PurePosixPath
from urllib.parse import quote

LONGEST = 255 - len(".npy.partial")  # bytes of a name on usual file systems
LONGEST_PATH = 4096 // 2  # of a whole id, the folder's own path beside it
LONGEST_NAME = 150  # characters of an id as a name; suffixes are added


def unfit_id(key):
    """Why an id cannot be the name of a file below a folder; None if it can.

    Example
    -------
    >>> unfit_id("speaker/clip.1")
    >>> unfit_id("../clip")
    'would lead out of the folder'
    """
    path, parts = PurePosixPath(key), key.encode(errors="replace").split(b"/")
    if path.is_absolute() or ".." in path.parts:
        return "would lead out of the folder"
    if str(path) != key or key == ".":
        return "is no plain path"
    if "\0" in key:
        return "holds a NUL"
    if max(map(len, parts)) > LONGEST or sum(map(len, parts)) > LONGEST_PATH:
        return "is too long"
    try:
        key.encode()
    except UnicodeEncodeError:
        return "is no UTF-8"
    return None


def file_name(key):
    """An id as the name of a file, without folders, of a length that fits.

    Long ones are cut, and end with a checksum of the whole id.

    Example
    -------
    >>> file_name("clip-1.a"), file_name("../clip")
    ('clip-1.a', '..%2Fclip')
    """
    name = quote(key, safe=" ", errors="replace")
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}-{zlib.crc32(name.encode()):08x}"


def escape_bytes(name):
    """A name as text: bytes that are not UTF-8 become ``%XX``.

    Example
    -------
    >>> escape_bytes("caf" + chr(0xDCE9))
    'caf%E9'
    """
    return "".join(
        f"%{ord(letter) - 0xDC00:02X}"
        if "\udc80" <= letter <= "\udcff"
        else letter
        for letter in name
    )


def plain_text(text):
    """Text in which lone surrogates, halves of a character, are U+FFFD.

    They can occur in json, but not be written to files.

    Example
    -------
    >>> plain_text("Nice " + chr(0xD83D)) == "Nice " + chr(0xFFFD)
    True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
