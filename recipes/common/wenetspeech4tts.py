"""WenetSpeech4TTS as SpeechBrain CSV manifests (Ma et al., 2024).

The unpacked archives have `wavs/<key>.wav` and `txts/<key>.txt` in
`<subset>/WenetSpeech4TTS_<subset>_<n>/`; the first line of a text file is the key,
a tab and the text. No clip is in two subsets: what the paper calls Basic is Basic,
Standard and Premium together.
"""

import hashlib
import logging
from pathlib import Path

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from recipes.common.experiment import start
from recipes.common.manifests import FIELDS
from speechbrain_gogo.dataio.audio.files import open_audio
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.replacing import write_csv
from speechbrain_gogo.dataio.report import ClipReport

logger = logging.getLogger(__name__)


def start_wenetspeech4tts(script, arguments):
    """:func:`~recipes.common.experiment.start`, with manifests of this corpus."""
    hparams, run_opts = start(script, arguments)
    run_on_main(prepare_manifests, kwargs={"hparams": hparams})
    return hparams, run_opts


def prepare_manifests(hparams):
    """Write the manifests that a recipe names, unless both exist.

    Settings are ``data_folder``, ``subsets``, ``valid_clips``, ``train_csv``
    and ``valid_csv``. A missing subset is an error, and so is no usable clip.
    Gives the ClipReport; None if the manifests were there.
    """
    paths = {s: Path(hparams[f"{s}_csv"]) for s in ("train", "valid")}
    if all(path.is_file() for path in paths.values()):
        logger.info("%s and %s are there already.", *paths.values())
        return None
    rows, report = [], ClipReport()
    for subset in hparams["subsets"]:
        for row, reason in read_subset(hparams["data_folder"], subset):
            report[reason or "used"] += 1
            if reason is None:
                rows.append(row)
    if not rows:
        raise ValueError(
            f"{hparams['data_folder']} has no usable clip: {report}."
        )
    # By a hash of the key: another subset does not change which clips of this
    # one are held out.
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    number = min(hparams["valid_clips"], len(rows) // 2)
    held_out = {"valid": rows[:number], "train": rows[number:]}
    for stage, path in paths.items():
        write_csv(path, [FIELDS, *sorted(held_out[stage])])
    logger.info("%s: %s", hparams["data_folder"], report)
    return report


def read_subset(data_folder, subset):
    """The clips of a subset: "Basic", "Standard", "Premium" or "Rest".

    Yields a row of the manifest and None, or None and the reason to skip the
    clip. A missing subset is an error.
    """
    data_folder = Path(data_folder)
    parts = sorted(
        data_folder.glob(f"{subset}/WenetSpeech4TTS_{subset}_*/wavs")
    )
    if not parts:
        raise ValueError(
            f"No {subset}/WenetSpeech4TTS_{subset}_<n>/wavs below "
            f"{data_folder}: unpack the archives of the corpus there."
        )
    for wavs in tqdm(parts, subset):
        for path in sorted(wavs.glob("*.wav")):
            yield read_clip(path, data_folder)


def read_clip(path, data_folder):
    """A clip's row and None, or None and the reason to skip it."""
    key = path.stem
    text_path = path.parent.parent / "txts" / f"{key}.txt"
    try:
        with open(text_path, encoding="utf-8") as file:
            name, _, text = file.readline().strip().partition("\t")
        if name != key or not text:
            return None, "no text"
        with open_audio(path) as sound:
            duration = round(sound.duration(), 3)
    except FileNotFoundError:
        return None, "no text"
    except UnicodeDecodeError:
        return None, "text is not UTF-8"
    except AudioError as error:
        return None, error.reason
    wav = f"$data_root/{path.relative_to(data_folder).as_posix()}"
    # <recording>_<segments>; the corpus names no speakers.
    return [key, duration, wav, key.rsplit("_S", 1)[0], text], None
