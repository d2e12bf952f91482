#!/usr/bin/env bash
# torchmetrics 1.9.0 beside jiwer 4.0.0 (PyPI; torch 2.14.1)
#
# Word information preserved (WIP), word information lost and match error rate need the
# number of correct words. torchmetrics does not count it, but takes the length of the
# longer text less the edit distance. This is right only where an utterance has no
# insertion beside a deletion. Of "the cat sat on the mat now", heard as "so the cat sat
# on the mat", six words are correct, and the only shortest edit is one insertion and one
# deletion. WIP is 6/7 * 6/7 = 0.735, as jiwer has it, but 5/7 * 5/7 = 0.510 in
# torchmetrics, and the match error rate 2/8 = 0.250, but 2/7 = 0.286. The documentation
# of its classes has the formulas with the counts of correct, inserted and deleted words.
# Word error rates agree, so a table that mixes both libraries looks consistent. A word
# that is lost at one end of a clip and made up at the other, as by a recogniser or a
# synthesiser, costs a third of the WIP of this sentence.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet torchmetrics==1.9.0 jiwer==4.0.0 torch==2.14.1 numpy==2.2.6
cat > seen.py <<'PY'
from importlib.metadata import version

import jiwer
from torchmetrics import text

print(*(f"{name} {version(name)}" for name in ("torchmetrics", "jiwer", "torch")))
said, heard = "the cat sat on the mat now", "so the cat sat on the mat"
reference, words = said.split(), heard.split()
table = [[0] * (len(words) + 1)]  # longest common subsequence: the correct words
for word in reference:
    row = [0]
    for place, other in enumerate(words):
        kept = max(row[-1], table[-1][place + 1])
        row.append(max(kept, table[-1][place] + (word == other)))
    table.append(row)
correct = table[-1][-1]
edits = len(reference) + len(words) - 2 * correct
wip = correct / len(reference) * correct / len(words)
counted = {
    "word error rate": edits / len(reference),
    "match error rate": edits / (edits + correct),
    "information preserved": wip,
    "information lost": 1 - wip,
}
theirs = {
    "word error rate": (text.WordErrorRate, jiwer.wer),
    "match error rate": (text.MatchErrorRate, jiwer.mer),
    "information preserved": (text.WordInfoPreserved, jiwer.wip),
    "information lost": (text.WordInfoLost, jiwer.wil),
}
print(f"{correct} correct words, {edits} edits")
agree = {}
for name, (metric, function) in theirs.items():
    first, second = float(metric()(heard, said)), function(said, heard)
    print(f"{name}: counted {counted[name]:.3f}, torchmetrics {first:.3f}, jiwer {second:.3f}")
    agree[name] = [abs(value - counted[name]) < 1e-6 for value in (first, second)]
expected = {name: [name == "word error rate", True] for name in theirs}
raise SystemExit(0 if agree == expected else 1)
PY
env/bin/python seen.py
