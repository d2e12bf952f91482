"""The notebooks run from top to bottom, with the bundled model alone."""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
WRITTEN = {"codec_tour": "out.wav", "use_gogo_tokens": "mixed.wav"}


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_runs(page, tmp_path, monkeypatch):
    """All cells in order, in this process."""
    monkeypatch.chdir(tmp_path)  # it writes audio
    matplotlib.use("Agg")
    cells = json.loads(page.read_text())["cells"]
    room = {"__name__": "tutorial"}
    with torch.random.fork_rng():
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                source = "".join(cell["source"])
                exec(
                    compile(source, f"{page.name}, cell {number}", "exec"), room
                )
    plt.close("all")
    assert (tmp_path / WRITTEN[page.stem]).is_file()


@pytest.mark.long
@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda p: p.name)
def test_notebook_runs_in_a_kernel(page, tmp_path, monkeypatch):
    """All cells in a Jupyter kernel."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient(
        nbformat.read(page, 4),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    assert (tmp_path / WRITTEN[page.stem]).is_file()


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda p: p.name)
def test_stored_outputs_are_of_the_cells(page):
    """The stored outputs are in order and without errors."""
    cells = json.loads(page.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == [*range(1, len(code) + 1)]
    kinds = {out["output_type"] for cell in code for out in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}
