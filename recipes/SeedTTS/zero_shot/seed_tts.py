"""Lists of zero-shot tasks in the format of Seed-TTS' evaluation set.

One line is one task, ``utterance|prompt text|prompt audio|text``, followed by
``|recording`` if the text was also recorded. Paths are relative to the list.
"""

from dataclasses import dataclass
from pathlib import Path

from speechbrain_gogo.dataio.manifests.rows import read_lines


@dataclass(frozen=True)
class Task:
    """Synthesize ``text`` in the voice of ``prompt_wav``, with ``prompt_text``.

    recording: the same text by the speaker of the prompt, or None.
    """

    name: str
    prompt_text: str
    prompt_wav: Path
    text: str
    recording: Path | None


def read_tasks(path, expected=None):
    r"""All tasks of a list; their number is to be ``expected``, if that is given.

    Raises a ValueError also if the list is not UTF-8, a line cannot be read, a
    name is not unique, files are missing, or only some tasks have recordings.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.wav").write_bytes(b"")
    >>> _ = (folder / "meta.lst").write_text("a-b|Who?|a.wav|Me.\n")
    >>> [task] = read_tasks(folder / "meta.lst", expected=1)
    /...meta.lst has 1 tasks.
    >>> task.text, task.prompt_wav.name, task.recording
    ('Me.', 'a.wav', None)
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No list of tasks at {path}.")
    tasks = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        task = _read_line(line, f"{path}, line {number}", path.parent)
        if task.name in tasks:
            raise ValueError(f"{path} has {task.name} twice.")
        tasks[task.name] = task
    print(f"{path} has {len(tasks)} tasks.")
    if not tasks or expected not in (None, len(tasks)):
        raise ValueError(
            f"{path} has {len(tasks)} tasks, expected_utterances says "
            f"{expected or 'nothing'}."
        )
    tasks = list(tasks.values())
    _check_files(tasks, path)
    return tasks


def write_tasks(path, rows):
    """Write a list; the file's folder is made.

    A row has name, prompt text, prompt audio, text, and recording if any; audio
    is relative to the file's folder. A bar or a line break in one of them is an
    error.
    """
    path, lines = Path(path), []
    for row in rows:
        fields = [str(field) for field in row]
        broken = [field for field in fields if set("|\n\r") & set(field)]
        if broken:
            raise ValueError(
                f"{path} cannot have {broken[0]!r}: there is a bar or a line "
                "break in it."
            )
        lines.append("|".join(fields) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), "utf-8")


def _read_line(line, place, folder):
    fields = [field.strip() for field in line.split("|")]
    if len(fields) not in (4, 5) or not all(fields):
        raise ValueError(
            f"{place} is not utterance|prompt text|prompt audio|text, with or "
            f"without |recording: {line.strip()!r:.120}"
        )
    name, prompt_text, prompt_wav, text, *recording = fields
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"{place}: {name!r} cannot name a file.")
    recording = folder / recording[0] if recording else None
    return Task(name, prompt_text, folder / prompt_wav, text, recording)


def _check_files(tasks, path):
    recorded = [task.recording for task in tasks if task.recording]
    if len(recorded) not in (0, len(tasks)):
        raise ValueError(
            f"{path} has recordings for {len(recorded)} of {len(tasks)} "
            "texts: give all of them or none."
        )
    files = [task.prompt_wav for task in tasks] + recorded
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} of {len(files)} audio files are missing, "
            f"the first: {missing[0]}."
        )
