"""A file as libsndfile sees it: where it would misjudge the length, another."""

import os

LAST = 128  # bytes that libsndfile's MP3 decoder wants to see at the end


class FileView:
    """A file with a place of its own, another beginning or another length.

    Arguments
    ---------
    file : binary file
        Can be sought in.
    head : bytes
        Stands in the place of the first bytes.
    start : int
        Bytes that are left out at the beginning.
    stretch : int
        How many times as long the file seems. Reading ends where the file
        does; only the last bytes can be read again, as zeros.

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
        """Place of the next byte."""
        return self.place

    def seek(self, offset, whence=os.SEEK_SET):
        """Go elsewhere, as in any file."""
        origin = {os.SEEK_CUR: self.place, os.SEEK_END: self.size}
        place = origin.get(whence, 0) + offset
        if place >= 0:  # libsndfile tries others
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
