"""Start of a codec's training, for the recipes of all corpora."""

from tqdm import tqdm

from speechbrain_gogo.inference import GogoCodec


def initialize_codec(brain, hparams, clips):
    """Give a codec the initial weights that the YAML names.

    Arguments
    ---------
    brain : CodecBrain
        Not trained yet; from a checkpoint it will resume instead.
    hparams : dict
        ``frozen``, ``start_from`` and ``start_clips``.
    clips : iterator of dict
        ``start_clips`` clips, read only if they are needed.
    """
    brain.freeze(hparams["frozen"])
    if brain.checkpointer.list_checkpoints():
        return
    if hparams["start_from"] is not None:
        brain.start_from(GogoCodec.from_hparams(hparams["start_from"]).codec)
    elif number := hparams["start_clips"]:
        brain.start_as_components(tqdm(clips, "components", number))
