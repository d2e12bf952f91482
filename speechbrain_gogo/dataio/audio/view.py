"""Views of files whose length libsndfile would not find by itself."""

import os

LAST = 128  # last bytes of a file, which libsndfile's MP3 decoder reads first


class FileView:
    """A file with its own position, and a changed beginning or length.

    ``head`` replaces the first bytes of the binary ``file``; ``start`` is the
    number of bytes to leave out at the beginning. ``stretch`` is the factor of
    the apparent length: reading ends at the end of the file, but the last bytes
    of the apparent length can be read, as zeros.

    Example
    -------
    >>> import io
    >>> FileView(io.BytesIO(b"abcdef"), head=b"ABC").read(3)
    b'ABC'
    """

    def __init__(self, file, head=b"", start=0, stretch=1):
        self.file, self.head, self.start = file, head, start
        self.stretched = stretch > 1
        self.size = stretch * (file_size(file) - start)
        self.place = 0

    def tell(self):
        """Position of the next byte."""
        return self.place

    def seek(self, offset, whence=os.SEEK_SET):
        """Set the position, as in any file."""
        origin = {os.SEEK_CUR: self.place, os.SEEK_END: self.size}
        place = origin.get(whence, 0) + offset
        if place >= 0:  # libsndfile also tries negative ones
            self.place = place
        return self.place

    def read(self, count):
        """The next bytes, at most ``count``."""
        if self.place < len(self.head):
            data = self.head[self.place : self.place + count]
        elif self.stretched and self.place >= self.size - LAST:
            data = bytes(max(0, min(count, self.size - self.place)))
        else:
            self.file.seek(self.start + self.place)
            data = self.file.read(count)
        self.place += len(data)
        return data


def file_size(file):
    """Bytes of an open file."""
    return file.seek(0, os.SEEK_END)
