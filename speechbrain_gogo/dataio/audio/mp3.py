"""MP3 whose length libsndfile would guess.

libsndfile decodes no more samples than it expects. If the first frame does
not tell how many there are, it expects what a constant bit rate would make
of the file's size, which may be a fraction of them.
"""

import re

from speechbrain_gogo.dataio.audio.view import FileView, file_size

# A first frame that tells: its flags, the number of frames and of bytes. The
# side information before them has 9 to 32 bytes.
TELLS = re.compile(
    rb"(\xff[\xe2-\xff]).{2,40}(?:Xing|Info)\0\0\0(.)(.{4})(.{4})", re.DOTALL
)
HAS_FRAMES, HAS_BYTES = 1, 2  # flags
SEARCHED = 2**12  # bytes, for that frame

# Bit rates are 8 to 320 kbit/s: a length that is guessed by the first frame's
# is too short by this factor at most.
STRETCH = 40
SMALL = 2**13  # bytes that may follow the frames: tags


def with_all_frames(file):
    """An MP3 that is decoded to its end, whatever its length seems to be.

    Arguments
    ---------
    file : binary file
        An MP3.

    Returns
    -------
    FileView
        It seems to be longer, so that more samples are expected than there
        are. None if the first frame tells how many there are.
    """
    start = _end_of_tags(file)
    file.seek(start)
    head = file.read(SEARCHED)
    found = TELLS.search(head)
    flags = found[2][0] if found else 0
    if not flags & HAS_FRAMES:
        return FileView(file, stretch=STRETCH)
    end = start + found.start() + int.from_bytes(found[4], "big")
    if flags & HAS_BYTES and end + SMALL < file_size(file):
        file.seek(end)
        if file.read(2) in (found[1], b"ID"):
            # One MP3 after another: what is told is of the first alone.
            start += head.find(found[1], found.end())
            return FileView(file, start=start, stretch=STRETCH)
    return None


def _end_of_tags(file):
    """Where the ID3v2 tags at the beginning end."""
    place = 0
    while True:
        file.seek(place)
        tag = file.read(10)
        if tag[:3] != b"ID3" or len(tag) < 10:
            return place
        size = 0
        for byte in tag[6:]:  # of seven bits each
            size = size << 7 | byte & 0x7F
        has_footer = tag[5] & 0x10
        place += len(tag) * (2 if has_footer else 1) + size
