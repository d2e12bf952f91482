"""MP3 files whose header does not contain their length.

libsndfile decodes no more samples than it expects. If the first frame does not
contain their number, it computes one from the size of the file and the bit rate of
the first frame. For variable bit rates this may be a fraction of the samples.
"""

import re

from speechbrain_gogo.dataio.audio.view import FileView, file_size

# A first frame with lengths: flags, number of frames and number of bytes. The
# side information before them has 9 to 32 bytes.
LENGTHS = re.compile(
    rb"(\xff[\xe2-\xff]).{2,40}(?:Xing|Info)\0\0\0(.)(.{4})(.{4})", re.DOTALL
)
HAS_FRAMES, HAS_BYTES = 1, 2  # flags
SEARCHED = 2**12  # bytes, for that frame

# Bit rates are 8 to 320 kbit/s: a length computed from that of the first frame is
# too short by this factor at most.
STRETCH = 40
SMALL = 2**13  # bytes of tags that may follow the frames


def with_all_frames(file):
    """A view of an open MP3 that libsndfile decodes to its end.

    The view is longer than the file, so that libsndfile expects at least all
    samples. None if the first frame contains their number.
    """
    start = _end_of_tags(file)
    file.seek(start)
    head = file.read(SEARCHED)
    found = LENGTHS.search(head)
    flags = found[2][0] if found else 0
    if not flags & HAS_FRAMES:
        return FileView(file, stretch=STRETCH)
    end = start + found.start() + int.from_bytes(found[4], "big")
    if flags & HAS_BYTES and end + SMALL < file_size(file):
        file.seek(end)
        if file.read(2) in (found[1], b"ID"):
            # Several MP3s in one file: the lengths are those of the first.
            start += head.find(found[1], found.end())
            return FileView(file, start=start, stretch=STRETCH)
    return None


def _end_of_tags(file):
    """Position after the ID3v2 tags at the beginning."""
    place = 0
    while True:
        file.seek(place)
        tag = file.read(10)
        if tag[:3] != b"ID3" or len(tag) < 10:
            return place
        size = 0
        for byte in tag[6:]:  # seven bits in each
            size = size << 7 | byte & 0x7F
        has_footer = tag[5] & 0x10
        place += len(tag) * (2 if has_footer else 1) + size
