#!/usr/bin/env bash
# wetext 0.1.8 (English text normalization by compiled grammars, PyPI; kaldifst 1.8.3)
#
# "The 1990s" becomes "The one thousand nine hundred and ninety seconds": a decade is
# read as a number with the unit s. A local telephone number, 555-1234, becomes "five
# hundred and fifty five to one thousand two hundred and thirty four": a range. Other
# numbers in the same sentences are read as expected. A corpus or a speech synthesiser
# behind this normalizer says other words than were written, and nothing tells.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet wetext==0.1.8 kaldifst==1.8.3
cat > seen.py <<'PY'
from importlib.metadata import version

from wetext import Normalizer

normalizer = Normalizer(lang="en", operator="tn")
expected = {
    "In the 1990s he ran 10 km.": (
        "In the one thousand nine hundred and ninety seconds he ran ten kilometers."
    ),
    "Call 555-1234 now.": (
        "Call five hundred and fifty five to one thousand two hundred and "
        "thirty four now."
    ),
    "It has 3 apples.": "It has three apples.",
}
print("wetext", version("wetext"), "kaldifst", version("kaldifst"))
same = True
for text, wanted in expected.items():
    spoken = normalizer.normalize(text)
    print(f"{text!r} -> {spoken!r}")
    same = same and spoken == wanted
raise SystemExit(0 if same else 1)
PY
env/bin/python seen.py
