"""LibriTTS as SpeechBrain CSV manifests (Zen et al., 2019).

SpeechBrain's libritts_prepare is part of its recipes, which its package does
not install, and writes JSON manifests. This one reads the unpacked corpus,
`<split>/<speaker>/<chapter>/<id>.wav` beside `<id>.normalized.txt`, and writes
what `speech_dataset` takes.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from speechbrain.utils.parallel import parallel_map
from tqdm import tqdm

from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.replacing import write_csv
from speechbrain_gogo.dataio.report import ClipReport

logger = logging.getLogger(__name__)

FIELDS = ("ID", "duration", "wav", "spk_id", "wrd")


def prepare_manifests(hparams, stages=("train", "valid")):
    """Write the manifests of a LibriTTS recipe, unless they exist.

    Settings are ``data_folder``, and ``train_splits``, ``train_csv`` and the
    same of other stages. An existing manifest of other splits is an error. A
    test set has to be complete.
    """
    for stage in stages:
        csv_path = Path(hparams[f"{stage}_csv"])
        splits = hparams[f"{stage}_splits"]
        if csv_path.is_file():
            check_splits(csv_path, splits, hparams["data_folder"])
            logger.info("%s is there already.", csv_path)
            continue
        report = write_manifest(
            hparams["data_folder"], splits, csv_path, complete=stage == "test"
        )
        logger.info("%s: %s", csv_path, report)


def check_splits(csv_path, splits, data_folder):
    """Raise an error if an existing manifest is of other splits."""
    rows, _ = read_manifest(csv_path, data_folder)
    # <split>/<speaker>/<chapter>/<id>.wav
    found = {Path(row["wav"]).parent.parent.parent for row in rows.values()}
    wanted = {Path(data_folder, split) for split in splits}
    if found != wanted:
        raise ValueError(
            f"{csv_path} is there already, with clips of "
            f"{', '.join(sorted(map(str, found)))}, but {splits} are wanted. "
            "Choose another output_folder (tokens_folder, where a recipe has "
            "one), or delete the manifest and what was made of it; for a "
            "manifest of your own, add --skip_prep True."
        )


def write_manifest(data_folder, splits, csv_path, complete=False):
    """List the utterances of some splits, such as "train-clean-100".

    The file appears when it is complete. A missing split is an error, and so is
    one without a usable utterance or, in a ``complete`` set, with an unusable
    one. Gives the ClipReport.
    """
    data_folder, csv_path = Path(data_folder), Path(csv_path)
    paths = []
    for split in splits:
        found = sorted((data_folder / split).glob("*/*/*.wav"))
        if not found:
            raise ValueError(
                f"No <speaker>/<chapter>/<id>.wav below {data_folder / split}: "
                "data_folder has to be the folder that holds the splits of "
                "LibriTTS. For other data, give manifests of your own (see "
                "the recipe's README) and --skip_prep True."
            )
        paths.extend(found)
    report, rows = ClipReport(), [FIELDS]
    with ThreadPoolExecutor() as pool:  # waits for the disk, mostly
        read = parallel_map(_read_clip, paths, executor=pool)
        for path, (clip, reason) in zip(tqdm(paths, csv_path.name), read):
            report[reason or "used"] += 1
            if clip is None:
                logger.warning("%s is skipped: %s.", path, reason)
                continue
            duration, words = clip
            wav = f"$data_root/{path.relative_to(data_folder).as_posix()}"
            speaker = path.parts[-3]
            rows.append([path.stem, f"{duration:.4f}", wav, speaker, words])
    if complete and report.skipped:
        raise ValueError(
            f"{splits} of a test set have to be complete, but {report}; the "
            "log names the files: fetch them again."
        )
    if not report.used:
        raise ValueError(f"No usable utterance in {splits}: {report}.")
    write_csv(csv_path, rows)
    return report


def _read_clip(path):
    """Duration and words of an utterance, or the reason to skip it."""
    text = path.with_suffix(".normalized.txt")
    try:
        with open_audio(path) as sound:
            duration = sound.duration()
        words = text.read_text(encoding="utf-8").strip()
    except AudioError as error:
        return None, error.reason
    except FileNotFoundError:
        return None, "missing transcript"
    except UnicodeDecodeError:
        return None, "unreadable transcript"
    return (duration, words), None
