"""The command `gogo serve`."""

import os
import re
import signal
import subprocess
import sys

import pytest
import requests
from test_cli import complaint
from typer.testing import CliRunner

import speechbrain_gogo
from speechbrain_gogo.cli import app
from speechbrain_gogo.serving import listen


def test_missing_packages_name_the_extra(monkeypatch):
    for name in list(sys.modules):
        if name.startswith(("speechbrain_gogo.serving", "uvicorn")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(speechbrain_gogo, "serving", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    told = complaint(CliRunner().invoke(app, ["serve"]))
    assert "needs uvicorn: pip install 'speechbrain-gogo[serve]'" in told


def test_wrong_options_are_errors(tmp_path):
    def told(*words):
        return complaint(CliRunner().invoke(app, ["serve", *map(str, words)]))

    assert "--max-megabytes inf" in told("--max-megabytes", "inf")
    assert "--max-seconds nan" in told("--max-seconds", "nan")
    for option in ("--workers=0", "--waiting=-1", "--max-characters=0"):
        assert CliRunner().invoke(app, ["serve", option]).exit_code == 2
    assert "No voices in" in told("--voices", tmp_path, "--port", 0)
    with listen(port=0) as sock:
        port = sock.getsockname()[1]
        assert f"127.0.0.1, port {port}" in told("--port", port)


@pytest.mark.long
def test_serves_until_interrupted(tiny_speech_folder):
    command = "from speechbrain_gogo.cli import main; main()"
    words = ["serve", "--port", "0", "--codec", str(tiny_speech_folder)]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", command, *words, "--max-characters", "9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        [entry] = requests.get(f"{url}/v1/models").json()["data"]
        assert entry["speaks"] and entry["limits"]["characters"] == 9
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()
