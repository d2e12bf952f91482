#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2, PyPI), beside PyAV 18.1.0
#
# Core Audio Format lets the size of the last chunk, the audio, be -1 (unknown), for writers that
# cannot seek. FFmpeg, here in PyAV, writes such a file where its output is a pipe, and reads it.
# soundfile does not open it ("Supported file format but file is malformed"). The same bytes with
# the size in place of the -1 are opened, and all of their samples are right.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet soundfile==0.14.0 av==18.1.0 numpy==2.2.6
cat > seen.py <<'PY'
import io

import av
import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
print("PyAV", av.__version__)
samples = (8000 * np.sin(np.arange(16000) / 10)).astype(np.int16)


class Pipe:
    """An output that cannot seek."""

    def __init__(self):
        self.written = bytearray()

    def write(self, data):
        self.written += bytes(data)
        return len(data)


def write_caf(output):
    """One second of 16-bit samples."""
    with av.open(output, "w", format="caf") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_with_av(data):
    """All samples of a file."""
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames)


def read_with_soundfile(data):
    """All samples of a file, or None if it is refused."""
    try:
        return soundfile.read(io.BytesIO(data), dtype="int16")[0]
    except soundfile.LibsndfileError as error:
        print("soundfile:", error.error_string)
        return None


pipe = Pipe()
write_caf(pipe)
data = bytes(pipe.written)
place = data.index(b"data") + 4
size = int.from_bytes(data[place : place + 8], "big", signed=True)
print("size of the audio in its header:", size, "of", len(data) - place - 8)
known = data[:place] + (len(data) - place - 8).to_bytes(8, "big") + data[place + 8 :]
same = [np.array_equal(read_with_av(data), samples)]
same.append(read_with_soundfile(data) is None)
same.append(np.array_equal(read_with_soundfile(known), samples))
print("PyAV reads it:", same[0])
print("soundfile refuses it:", same[1])
print("soundfile reads it with the size in its header:", same[2])
raise SystemExit(0 if size == -1 and all(same) else 1)
PY
env/bin/python seen.py
