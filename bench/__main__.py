"""All measurements of speed and memory, from the root of the repository.

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
    """Scripts of this folder that can be run, with their first lines.

    Returns
    -------
    dict
        Name to description.
    """
    found = {}
    for path in sorted(HERE.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "typer.run(" in text:
            found[path.stem] = ast.get_docstring(ast.parse(text)).split("\n")[0]
    return found


def main(arguments):
    """Run the measurement that is named first, or list all."""
    known = measurements()
    if not arguments or arguments[0] not in known:
        width = max(map(len, known))
        for name, line in known.items():
            print(f"{name:{width}}  {line}")
        return 0 if not arguments else 2
    script = HERE / f"{arguments[0]}.py"
    sys.path.insert(0, str(HERE))
    sys.argv = [str(script), *arguments[1:]]
    runpy.run_path(str(script), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
