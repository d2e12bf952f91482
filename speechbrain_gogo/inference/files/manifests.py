"""Manifests of a folder of recordings and texts, as CSV files.

The text of a recording is in ``NAME.normalized.txt``, ``NAME.txt`` or
``NAME.lab`` in the same folder, or in a file ``metadata.csv`` in LJ Speech's
format: lines ``NAME|text`` or ``NAME|text|normalized text``. It is searched for
in the folder itself only.
"""

import random
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from speechbrain_gogo.dataio.audio.files import open_audio, read_audio
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.ids import escape_bytes
from speechbrain_gogo.dataio.manifests.rows import read_lines
from speechbrain_gogo.dataio.replacing import write_csv
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.inference.files.audio import READABLE_AUDIO, find_files
from speechbrain_gogo.metrics.recognition.whisper_words import WhisperWordErrors

TEXTS = ".normalized.txt", ".txt", ".lab"  # the first one that is there
TABLE = "metadata.csv"
FIELDS = "ID", "duration", "wav", "spk_id", "wrd"
RATE = 16000  # of the recogniser's input
MOST_VALID, VALID_SHARE = 20, 0.1  # clips held out by default


def make_manifests(
    folder, out=None, num_valid=None, speaker=None, recognizer=None, seed=0
):
    """Write train.csv and valid.csv of a folder of recordings: a ClipReport.

    The folder is searched for audio, at any depth; ``$data_root`` stands for it
    in the manifests, which are written to ``out`` (the same folder by default).
    ``num_valid`` is the number of clips for valid.csv, see
    :func:`num_held_out`, which ``seed`` chooses. ``speaker`` is by default the
    name of the recording's top folder below the folder, or of the folder
    itself. ``recognizer`` transcribes samples, float32 [T] at 16 kHz, of
    recordings without a text; without it these are skipped.

    Raises a ValueError if there is no audio, no clip would remain for training,
    or ``metadata.csv`` cannot tell recordings apart.

    Example
    -------
    >>> import soundfile
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a", "b", "c"):
    ...     soundfile.write(folder / f"{name}.wav", [0.1] * 24000, 24000)
    ...     _ = (folder / f"{name}.txt").write_text(f"This is {name}.")
    >>> print(make_manifests(folder, num_valid=1, speaker="me"))
    read 3 clips = used 3 + skipped 0 (none)
    """
    folder, out = Path(folder), Path(folder if out is None else out)
    clips, report = _read_clips(folder, speaker, recognizer)
    num_valid = num_held_out(len(clips), num_valid)
    if len(clips) <= num_valid:
        raise ValueError(
            f"{folder}: {report}. Those used are too few to set {num_valid} "
            "aside for validation: add recordings, or hold out fewer."
        )
    chosen = random.Random(f"{seed}/valid").sample(clips, num_valid)
    held_out = {clip_id for clip_id, *_ in chosen}
    for name in ("train", "valid"):
        rows = [c for c in clips if (c[0] in held_out) == (name == "valid")]
        write_csv(out / f"{name}.csv", [FIELDS, *rows])
    return report


def num_held_out(num_clips, num_valid=None):
    """Number of clips for validation: what was asked for, or a tenth, 1 to 20.

    Example
    -------
    >>> [num_held_out(clips) for clips in (2, 12, 100, 5000)]
    [1, 1, 10, 20]
    >>> num_held_out(100, 3)
    3
    """
    if num_valid is not None:
        return num_valid
    return min(MOST_VALID, max(1, round(VALID_SHARE * num_clips)))


def load_whisper(source):
    """A recogniser of English for :func:`make_manifests`.

    ``source`` is the hub id or folder of a Whisper model of transformers.
    """
    judge = WhisperWordErrors(RATE, str(source))
    return lambda wav: judge.recognize([wav.numpy()])[0].strip()


def _read_clips(folder, speaker, recognizer):
    """The rows of all usable recordings, with FIELDS, and the report."""
    paths = find_files(folder, READABLE_AUDIO)
    table, clips, report = _read_table(folder), [], ClipReport()
    stems = [path.relative_to(folder).with_suffix("") for path in paths]
    same = Counter(stems)  # recordings of one name and several formats
    names = Counter(stem.name for stem in same)
    for path, stem in zip(tqdm(paths, unit="clip"), stems):
        inside = path.relative_to(folder)
        if escape_bytes(str(inside)) != str(inside):  # no CSV can hold it
            report["name is no UTF-8"] += 1
            continue
        try:
            with open_audio(path) as sound:
                seconds = sound.duration()
            text = _read_text(path, table, names)
            if text is None and recognizer is not None:
                text = recognizer(read_audio(path, RATE))
        except AudioError as error:
            report[error.reason] += 1
            continue
        if not text:
            report["no text" if text is None else "empty text"] += 1
            continue
        report["used"] += 1
        name = inside if same[stem] > 1 else stem
        owner = speaker or (inside.parts[0] if len(inside.parts) > 1 else "")
        wav = f"$data_root/{inside.as_posix()}"
        owner = owner or folder.resolve().name
        clips.append((name.as_posix(), f"{seconds:.4f}", wav, owner, text))
    return clips, report


def _read_text(path, table, names):
    """Text of a recording, on one line; None if there is none."""
    for suffix in TEXTS:
        beside = path.with_name(path.stem + suffix)
        if beside.is_file():
            return " ".join("".join(read_lines(beside)).split())
    if path.stem in table and names[path.stem] > 1:
        raise ValueError(
            f"{TABLE} has one text for {names[path.stem]} recordings with the "
            f"name {path.stem}, as {path}: give each a text file beside it."
        )
    return table.get(path.stem)


def _read_table(folder):
    """The texts of metadata.csv by name; none if there is no such file."""
    path, texts = folder / TABLE, {}
    if not path.is_file():
        return texts
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) not in (2, 3) or not parts[0]:
            raise ValueError(
                f"{path}, line {number}, is {line.strip()!r:.60}: give "
                "NAME|text or NAME|text|text as it is spoken."
            )
        if parts[0] in texts:
            raise ValueError(f"{path}, line {number}: {parts[0]} comes twice.")
        texts[parts[0]] = parts[-1]
    return texts
