"""Start of a codec's training, for the recipes of all corpora."""

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from speechbrain_gogo.dataio.text.tokenizers import train_tokenizer
from speechbrain_gogo.inference import GogoCodec


def prepare_tokenizer(sentences, hparams):
    """The text tokenizer, trained on an iterable of texts if there is none."""
    settings = {
        "sentences": sentences,
        "model_path": hparams["tokenizer_file"],
        "vocab_size": hparams["model"]["text_vocab"],
    }
    run_on_main(train_tokenizer, kwargs=settings)
    return train_tokenizer(**settings)


def initialize_codec(brain, hparams, clips):
    """Give an untrained codec the initial weights that the YAML names.

    ``clips`` is an iterator of ``start_clips`` clips, read only if they are
    needed.
    """
    brain.freeze(hparams["frozen"])
    if brain.checkpointer.list_checkpoints():
        return
    if hparams["start_from"] is not None:
        codec = GogoCodec.from_hparams(hparams["start_from"]).codec
        brain.start_from(codec, hparams["start_parts"])
    elif number := hparams["start_clips"]:
        brain.start_as_components(tqdm(clips, "components", number))
