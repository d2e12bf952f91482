#!/usr/bin/env bash
# HyperPyYAML 1.2.3 (the configuration language of SpeechBrain, PyPI; ruamel.yaml 0.18.6)
#
# An override that names another class for an object does not replace it: the class of
# the file stays, the tag of the override is dropped, and the arguments of both are
# merged. `--optimizer "!new:OtherOptimizer {momentum: 0.9}"` trains with the file's
# optimizer, without a word where that one takes the argument. The same happens if the
# override asks for a function in place of an object (!name: for !new:). A plain value
# in place of an object does replace it.
#
# Seen with Python 3.11 on Linux x86_64. Exits with 1 if this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet hyperpyyaml==1.2.3 ruamel.yaml==0.18.6
cat > seen.py <<'PY'
from importlib.metadata import version

from hyperpyyaml import load_hyperpyyaml

print("hyperpyyaml", version("hyperpyyaml"), "ruamel.yaml", version("ruamel.yaml"))
written = "optimizer: !new:collections.Counter\n    rate: 1\n"
overrides = {
    "another class": "optimizer: !new:collections.OrderedDict\n    momentum: 2\n",
    "a function": "optimizer: !name:collections.OrderedDict\n    momentum: 2\n",
    "a value": {"optimizer": 5},
}
seen = {}
for name, override in overrides.items():
    seen[name] = load_hyperpyyaml(written, override)["optimizer"]
    print(f"{name}: {seen[name]!r}")
merged = [seen[name] for name in ("another class", "a function")]
same = all(type(found).__name__ == "Counter" for found in merged)
same = same and all(dict(found) == {"rate": 1, "momentum": 2} for found in merged)
raise SystemExit(0 if same and seen["a value"] == 5 else 1)
PY
env/bin/python seen.py
