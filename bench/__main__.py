"""All measurements of speed, memory and quality, from the repository's root.

python -m bench                 # lists them
python -m bench speech --help
python -m bench compare ../other-checkout
"""

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def measurements():
    """Scripts of this folder and of quality/: name to path and first line."""
    found = {}
    for path in [
        *sorted(HERE.glob("*.py")),
        *sorted(HERE.glob("quality/*.py")),
    ]:
        text = path.read_text(encoding="utf-8")
        if path.stem != "__main__" and "typer.run(" in text:
            line = ast.get_docstring(ast.parse(text)).split("\n")[0]
            found[path.stem] = path, line
    return found


def main(arguments):
    """Run the measurement that is named first, or list all."""
    known = measurements()
    if not arguments or arguments[0] not in known:
        width = max(map(len, known))
        for name, (_, line) in known.items():
            print(f"{name:{width}}  {line}")
        return 0 if not arguments else 2
    script = known[arguments[0]][0]
    sys.path.insert(0, str(HERE))
    sys.argv = [str(script), *arguments[1:]]
    runpy.run_path(str(script), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
