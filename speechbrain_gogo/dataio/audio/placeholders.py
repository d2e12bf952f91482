"""Headers with placeholders instead of lengths.

A program that writes into a pipe cannot fill in the length afterwards, and leaves a
placeholder in the header. Here it is replaced by the true length. Any other length
that is not true means that the file is truncated.
"""

from typing import NamedTuple

from speechbrain_gogo.dataio.audio.view import FileView, file_size

# Placeholders of ffmpeg, sox, ALSA and speech services. Some programs round them
# to whole samples or add the size of the header.
PLACEHOLDERS = (0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF, 2**64 - 1)
ROUNDING = 4096  # bytes


class Container(NamedTuple):
    """The layout of a file format that consists of chunks.

    name, number: bytes of a chunk's name and of its length; order: byte order;
    first: position of the first chunk; samples: name of the chunk with the
    samples; inclusive: whether a length includes name and length; aligned: chunks
    begin at multiples of it; whole: position of the file's length, if it has one;
    uncounted: bytes that the file's length does not include.
    """

    name: int
    number: int
    order: str
    first: int
    samples: bytes
    inclusive: bool
    aligned: int
    whole: int | None
    uncounted: int


WAV = Container(4, 4, "little", 12, b"data", False, 2, 4, 8)
W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
CONTAINERS = {
    b"RIFF": WAV,
    b"RIFX": WAV._replace(order="big"),
    b"FORM": WAV._replace(order="big", samples=b"SSND"),  # AIFF
    b"caff": Container(4, 8, "big", 8, b"data", False, 1, None, 0),
    b"riff": Container(16, 8, "little", 40, W64_DATA, True, 8, 16, 0),  # W64
}


def with_true_lengths(file):
    r"""A view of an open file with true lengths; None if it has no placeholder.

    Of WAV, RF64, AIFF, CAF, W64 and AU.

    Example
    -------
    >>> import io
    >>> unknown = b"\xff" * 4
    >>> wav = b"RIFF" + unknown + b"WAVEdata" + unknown + bytes(6)
    >>> with_true_lengths(io.BytesIO(wav)).read(20)
    b'RIFF\x12\x00\x00\x00WAVEdata\x06\x00\x00\x00'
    """
    size = file_size(file)
    file.seek(0)
    start = file.read(64)
    head = None
    if start[:4] in CONTAINERS:
        head = _chunked(file, size, CONTAINERS[start[:4]])
    elif start[:4] == b"RF64" and _is_unknown_rf64(start):
        head = _chunked(file, size, WAV)
        head = b"RIFF" + head[4:12] + b"JUNK" + head[16:] if head else None
    elif start[:4] == b".snd" and start[8:12] == bytes(4):
        head = start[:8] + b"\xff" * 4  # AU's value for an unknown length
    return FileView(file, head) if head else None


def _is_unknown_rf64(start):
    """Whether the length chunk of an RF64 file has no length."""
    known = int.from_bytes(start[28:36], "little")
    return start[12:16] == b"ds64" and known in (0, *PLACEHOLDERS)


def _chunked(file, size, kind):
    """The header with true lengths; None if it has no placeholder."""
    found = _find_samples(file, size, kind)
    if found is None:
        return None
    claim, body = found
    file.seek(0)
    head, rest = bytearray(file.read(body)), size - body
    if claim <= (kind.name + kind.number) * kind.inclusive:
        # An empty chunk, if it is the last one or another chunk follows.
        if not rest or _is_chunk(file, rest, kind):
            return None
    elif not _is_placeholder(claim, rest, head, kind):
        return None

    def write(place, length):
        length = min(length, 256**kind.number - 1)
        stop = place + kind.number
        head[place:stop] = length.to_bytes(kind.number, kind.order)

    header = (kind.name + kind.number) * kind.inclusive
    write(body - kind.number, rest + header)
    if kind.whole is not None:
        write(kind.whole, size - kind.uncounted)
    return bytes(head)


def _find_samples(file, size, kind):
    """Length of the chunk with the samples, and position of the samples."""
    place, header = kind.first, kind.name + kind.number
    while place + header <= size:
        file.seek(place)
        name = file.read(kind.name)
        claim = int.from_bytes(file.read(kind.number), kind.order)
        if name == kind.samples:
            return claim, place + header
        place += claim if kind.inclusive else claim + header
        place += -place % kind.aligned
        if claim < header * kind.inclusive:
            return None  # the loop would not end
    return None


def _is_chunk(file, rest, kind):
    """Whether a chunk that fits into the rest of the file begins here."""
    name = file.read(kind.name)[:4]
    length = int.from_bytes(file.read(kind.number), kind.order)
    return name.isascii() and name.decode().isprintable() and length <= rest


def _is_placeholder(claim, rest, head, kind):
    """Whether a length is a placeholder; ``rest`` bytes follow the header."""
    if claim <= rest:
        return False
    if claim in PLACEHOLDERS:
        return True
    if kind.whole is None or not _near_placeholder(claim):
        return False
    stop = kind.whole + kind.number
    whole = int.from_bytes(head[kind.whole : stop], kind.order)
    return whole == 0 or _near_placeholder(whole)


def _near_placeholder(length):
    return any(abs(length - each) <= ROUNDING for each in PLACEHOLDERS)
