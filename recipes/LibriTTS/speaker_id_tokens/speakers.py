"""Speakers of a corpus, and their clips for training and test.

Different splits have different speakers, so the same number of clips of each
training speaker is held out.
"""

import random

from speechbrain_gogo.dataio.report import ClipReport

STAGES = ("train", "valid", "test")


def split_clips(speakers, valid_clips=1, test_clips=2, max_clips=None, seed=0):
    """Hold out a few clips of each speaker.

    ``speakers`` has the speaker of each clip; of the others at most
    ``max_clips`` of a speaker are for training. Gives indices of clips by
    stage, the sorted names of the speakers, and the ClipReport of all clips.
    Fewer than two speakers with enough clips are an error.

    Example
    -------
    >>> places, names, report = split_clips(["anna"] * 5 + ["bo"] * 4 + ["cy"])
    >>> [len(places[stage]) for stage in STAGES], names
    ([3, 2, 4], ['anna', 'bo'])
    >>> print(report)
    read 10 clips = used 9 + skipped 1 (speaker of 3 clips or fewer: 1)
    """
    clips, report = {}, ClipReport()
    for place, speaker in enumerate(speakers):
        clips.setdefault(speaker, []).append(place)
    places, names = {stage: [] for stage in STAGES}, []
    held_out = valid_clips + test_clips
    for name, own in sorted(clips.items()):
        if not name:
            report["no speaker"] += len(own)
            continue
        if len(own) <= held_out:
            report[f"speaker of {held_out} clips or fewer"] += len(own)
            continue
        names.append(name)
        random.Random(f"{seed} {name}").shuffle(own)
        for_training = own[held_out:][:max_clips]
        places["test"] += own[:test_clips]
        places["valid"] += own[test_clips:held_out]
        places["train"] += for_training
        used = held_out + len(for_training)
        report["used"] += used
        if len(own) > used:
            report[f"beyond {max_clips} of a speaker"] += len(own) - used
    if len(names) < 2:
        raise ValueError(
            f"There are {len(names)} speakers with more than {held_out} clips: "
            "the manifest needs a column spk_id and several clips of each; or "
            "hold out fewer (test_clips, valid_clips)."
        )
    return places, names, report
