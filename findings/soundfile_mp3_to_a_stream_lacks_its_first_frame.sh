#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile with LAME, PyPI)
#
# An MP3 that is written to a file object and sent on piece by piece, as an HTTP
# server does with audio that is still being made, is another file than the one that
# the object holds in the end: the first frame, which becomes the Xing/LAME header, is
# filled in only when the file is closed (bytes 13 to 168 differ). soundfile reads all
# 120,000 samples of the file in the end, and 20,880 of its pieces put together, without
# an error. Vorbis in an Ogg container does not go back: its pieces are the file.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet soundfile==0.14.0 numpy==2.2.6
cat > seen.py <<'PY'
import io

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
tone = 0.3 * np.sin(np.arange(120_000) * 0.05).astype("float32")


def written(**kind):
    """The file in the end, and its bytes in the order in which they came."""
    buffer, pieces, sent = io.BytesIO(), [], 0
    with soundfile.SoundFile(buffer, "w", 24000, 1, **kind) as file:
        for start in range(0, len(tone), 12_000):
            file.write(tone[start : start + 12_000])
            pieces.append(buffer.getvalue()[sent:])
            sent = len(buffer.getvalue())
    pieces.append(buffer.getvalue()[sent:])
    return buffer.getvalue(), b"".join(pieces)


def samples(data):
    try:
        return len(soundfile.read(io.BytesIO(data))[0])
    except soundfile.LibsndfileError as error:
        return str(error)


same = True
for kind in (
    {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    {"format": "OGG", "subtype": "VORBIS"},
):
    whole, stream = written(**kind)
    differ = [i for i, (a, b) in enumerate(zip(whole, stream)) if a != b]
    where = f"bytes {differ[0]} to {differ[-1]} differ" if differ else "equal"
    print(kind["format"], len(whole), "bytes,", where, end=": ")
    print("whole", samples(whole), "samples, pieces", samples(stream))
    if kind["format"] == "MP3":
        same = samples(whole) == 120_000 and samples(stream) == 20_880
    else:
        same = same and not differ
raise SystemExit(0 if same else 1)
PY
env/bin/python seen.py
