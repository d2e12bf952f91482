"""Training of SoCodec and CoFi-Codec, for all corpora with manifests."""

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from recipes.common.datasets import speech_datasets
from recipes.common.experiment import fit, log_clips, make_brain
from speechbrain_gogo.dataio.manifests.dataset import usable_clips


def train_adversarial_codec(hparams, run_opts, brain_class, export):
    """Train a codec on the manifests of a recipe, and export it.

    Arguments
    ---------
    hparams, run_opts : dict
        From :func:`recipes.common.experiment.start`.
    brain_class : type
        An :class:`~speechbrain_gogo.brains.adversarial_codec.AdversarialCodecBrain`.
    export : callable
        Function of ``hparams``, with the trained ``codec``, that writes it to
        ``export_folder``.
    """
    sample_rate = hparams["model"]["sample_rate"]
    datasets, loaders, reports = speech_datasets(hparams, sample_rate)
    hparams["sample_clips"] = list(
        usable_clips(datasets["valid"], hparams["num_samples"])
    )
    hparams["codec"] = hparams["model"]["codec"]
    brain = make_brain(brain_class, hparams, run_opts)
    if not brain.checkpointer.list_checkpoints():
        clips = usable_clips(
            datasets["train"], hparams["mean_clips"], hparams["seed"]
        )
        brain.start_at_means(tqdm(clips, "means", hparams["mean_clips"]))
    fit(brain, datasets, loaders)
    log_clips(brain, **reports)
    run_on_main(export, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")
