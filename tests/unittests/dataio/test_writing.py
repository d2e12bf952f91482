"""Audio files are written completely or not at all, in every format."""

import os

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_gogo.dataio.audio.writing import FORMATS, written_audio
from speechbrain_gogo.dataio.replacing import replaced_when_complete

SUFFIXES = pytest.mark.parametrize("suffix", [*FORMATS, ".WAV", ".Mp3"])


@SUFFIXES
def test_every_format_is_written_in_pieces(tmp_path, suffix):
    path = tmp_path / "new" / f"a{suffix}"
    tone = 0.3 * torch.sin(torch.arange(30001) / 20)
    with written_audio(path, 24000) as write:
        seconds = [write(piece) for piece in tone.split([1, 5000, 25000])]
    assert seconds[-1] == 30001 / 24000
    wav, rate = soundfile.read(path, dtype="float32")
    assert rate == 24000 and len(wav) == 30001
    assert np.abs(wav - tone.numpy()).mean() < 0.01
    assert os.listdir(path.parent) == [path.name]


@SUFFIXES
def test_incomplete_files_replace_nothing(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"older")
    for error in (ValueError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), written_audio(path, 24000) as write:
            write(torch.zeros(24000))
            assert path.read_bytes() == b"older"
            raise error
        assert path.read_bytes() == b"older"
        assert os.listdir(tmp_path) == [path.name]


def test_two_minutes_are_written_at_once(tmp_path):
    """In one piece they would crash the process, in libsndfile."""
    path = tmp_path / "a.ogg"
    with written_audio(path, 24000) as write:
        assert write(torch.zeros(120 * 24000)) == 120
    assert soundfile.info(path).frames == 120 * 24000


def test_symbolic_links_are_kept(tmp_path):
    target, link = tmp_path / "a.wav", tmp_path / "b.wav"
    link.symlink_to(target)
    with replaced_when_complete(link) as partial:
        partial.write_bytes(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
