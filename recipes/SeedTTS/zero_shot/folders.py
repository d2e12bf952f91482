"""Audio files of the systems to compare.

A system is a folder with one audio file per task; the recordings are also a
system. judging.py and listening_test.py use the files.
"""

from pathlib import Path

from recipes.common.evaluation.results_file import hash_files

RECORDED = "Ground truth"


def find_files(tasks, folders):
    """Find audio files: label -> task name -> audio file.

    ``folders`` maps labels to folders with ``<task name>.wav`` files;
    recordings of the tasks, if any, are the first system. Missing files are an
    error, and so are two systems of one name.
    """
    systems = {}
    if tasks[0].recording:
        systems[RECORDED] = {task.name: task.recording for task in tasks}
    check_labels([*systems, *folders])
    for label, folder in folders.items():
        files = {task.name: Path(folder) / f"{task.name}.wav" for task in tasks}
        missing = [file for file in files.values() if not file.is_file()]
        if missing:
            raise ValueError(
                f"{label}: {len(missing)} of {len(files)} audio files are "
                f"missing, the first: {missing[0]}."
            )
        systems[label] = files
    return systems


def hash_audio(listed, folders):
    """Label -> hash of the audio of systems, arguments as in :func:`find_files`.

    It covers the audio of all tasks of a list, also of those that are not
    evaluated, so that it does not depend on their number.
    """
    found = {}
    if listed[0].recording:
        found[RECORDED] = hash_files([task.recording for task in listed])
    for label, folder in folders.items():
        files = [Path(folder) / f"{task.name}.wav" for task in listed]
        found[label] = hash_files([f for f in files if f.is_file()])
    return found


def check_labels(labels):
    """Raise a ValueError if two systems are one by the names of their folders."""
    names = [folder_name(label) for label in labels]
    twice = [label for label in labels if names.count(folder_name(label)) > 1]
    if twice:
        raise ValueError(
            f"Two systems have one name, {' and '.join(twice)}: rename one."
        )


def folder_name(label):
    """A system's label as the name of a folder.

    Example
    -------
    >>> folder_name("GogoSpeech w/ allocator")
    'GogoSpeech_w_allocator'
    """
    return label.replace(" ", "_").replace("/", "")
