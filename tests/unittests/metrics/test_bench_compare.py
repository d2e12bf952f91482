"""Measurements: the comparison of two checkouts, parts of the true mel, the list of all."""

import subprocess
import sys

import pytest
import torch

from speechbrain_gogo.lobes.gogo.mel import VocosMel


@pytest.fixture
def compare(monkeypatch, request):
    monkeypatch.syspath_prepend(request.config.rootpath / "bench")
    import compare

    return compare


def test_unknown_text_front_ends_are_named(monkeypatch, request):
    folder = request.config.rootpath / "bench" / "quality"
    monkeypatch.syspath_prepend(folder)
    import text_front_ends

    with pytest.raises(ValueError, match="No systems .'our'.: there are"):
        text_front_ends.main(["our"])


def test_parts_of_the_true_mel(monkeypatch, request):
    folder = request.config.rootpath / "bench" / "quality"
    monkeypatch.syspath_prepend(folder)
    import mel_limits

    low = mel_limits.bins_below(VocosMel(), 2000.0)
    assert low.any() and not low[low.sum() :].any()  # the first ones
    torch.manual_seed(0)
    decoded, true = torch.randn(2, 7, 100)
    found = mel_limits.mixtures(decoded, true, low)
    assert torch.equal(found["true below the limit"][:, low], true[:, low])
    assert torch.equal(found["true above the limit"][:, low], decoded[:, low])
    energy = found["true energies"]
    torch.testing.assert_close(energy.logsumexp(1), true.logsumexp(1))
    error = (decoded - true).norm()
    assert (found["true envelopes"] - true).norm() < 0.97 * error
    torch.testing.assert_close(
        (found["half of the error"] - true).norm(), error / 2
    )


def checkout(folder, body):
    """A package whose import says what it does; nothing slow beside it."""
    package = folder / "speechbrain_gogo" / "inference"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (folder / "speechbrain.py").touch()
    (folder / "torch.py").write_text("set_num_threads = print\n")
    (package / "__init__.py").write_text(body)
    return folder


def test_ratios_of_two_checkouts(compare, tmp_path):
    rounds = {
        "this": [
            {"speak, RTF": x, "groups per second": 8.0} for x in (1, 9, 2)
        ],
        "other": [{"speak, RTF": 6.0, "groups per second": 2.0}] * 3,
    }
    roots = {"this": tmp_path / "new", "other": tmp_path / "old"}
    page = compare.describe(rounds, roots, "gogo-mini")
    assert "# new beside old" in page and "medians of 3 rounds" in page
    assert "| speak, RTF | 2.000 | 6.000 | 3.00 |" in page
    assert "| groups per second | 8.000 | 2.000 | 4.00 |" in page


def test_rounds_use_their_checkout(compare, tmp_path):
    root = checkout(
        tmp_path / "one",
        "import json, os, sys\n"
        "print(json.dumps([os.getcwd(), os.environ['OMP_NUM_THREADS'],"
        " sys.argv[1:]]))\nsys.exit(0)\n",
    )
    found = compare.run_probe(root, 4, "a model")
    assert found == [str(root), "1", ["4", "a model"]]
    broken = checkout(tmp_path / "two", "raise RuntimeError('no speech')\n")
    with pytest.raises(RuntimeError, match="no speech"):
        compare.run_probe(broken, 1, "gogo-mini")


def test_measurements_are_listed_and_run(request):
    def bench(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "bench", *arguments],
            cwd=request.config.rootpath,
            capture_output=True,
            text=True,
        )

    listed = bench()
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"codec", "compare", "speech"} <= set(names)
    assert listed.returncode == 0 and bench("no-such").returncode == 2
