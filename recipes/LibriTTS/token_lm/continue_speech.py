#!/usr/bin/env python3
"""Continue recordings with a language model that train.py has trained.

    python continue_speech.py results/10_tokens anna.wav bob.wav --folder continued

The first seconds of each recording are the prompt; ``<name>_<number>.wav`` is
the prompt with its continuation.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import torch
from continuations import Continuations
from hyperpyyaml import load_hyperpyyaml
from tqdm import tqdm


def load(run):
    """Settings of a run of train.py, with its best model in evaluation mode.

    It is an error if there is no run, or it has no checkpoint.
    """
    path = run / "hyperparams.yaml"
    if not path.is_file():
        raise ValueError(f"No run of train.py in {run}: no {path.name}.")
    with open(path) as stream:
        hparams = load_hyperpyyaml(stream, {"output_folder": str(run)})
    found = hparams["checkpointer"].find_checkpoint(min_key="loss")
    if found is None:
        raise ValueError(f"No checkpoint in {run / 'save'}: train first.")
    hparams["checkpointer"].load_checkpoint(found)
    hparams["lm"].eval()
    return hparams


def main(arguments):
    """Write the continuations of all recordings."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="output folder of train.py")
    parser.add_argument("recordings", type=Path, nargs="+", help="audio files")
    option = parser.add_argument
    option("--folder", type=Path, default="continued", help="for the audio")
    option("--number", type=int, default=3, help="of each recording")
    option("--seed", type=int, default=0, help="of the continuations")
    known = parser.parse_args(arguments)
    names = [path.stem for path in known.recordings]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(
            f"Several recordings are named {sorted(repeated)}, and so would be "
            "their continuations: rename them, or use a folder for each."
        )
    hparams = load(known.run)
    codec = hparams["tokenizer"].codec
    clips = [
        {"id": f"{path.stem}_{number}", "tokens": tokens, "side": side}
        for path in tqdm(known.recordings, "encoding")
        for tokens in [codec.encode_file(path)]
        for side in [codec.file_side_information(path)]
        for number in range(known.number)
    ]
    speak = Continuations(codec, clips, seed=known.seed, **hparams["continue"])
    with torch.no_grad():
        speak(hparams["lm"], known.folder)
    print(f"{len(clips)} continuations are in {known.folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
