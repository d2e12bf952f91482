"""Training of SoCodec and CoFi-Codec, for all corpora with manifests."""

from speechbrain.utils.distributed import run_on_main
from tqdm import tqdm

from recipes.common.datasets import speech_datasets
from recipes.common.experiment import fit, log_clips, make_brain
from speechbrain_gogo.brains.cofi import CoFiCodecBrain
from speechbrain_gogo.brains.socodec import SoCodecBrain
from speechbrain_gogo.dataio.manifests.dataset import usable_clips
from speechbrain_gogo.inference.loading.export import export_sibling


def train_socodec(hparams, run_opts):
    """Train SoCodec with the settings of :func:`recipes.common.experiment.start`."""
    _train(hparams, run_opts, SoCodecBrain)


def train_cofi(hparams, run_opts):
    """Train CoFi-Codec with the settings of :func:`recipes.common.experiment.start`."""
    _train(hparams, run_opts, CoFiCodecBrain)


def _train(hparams, run_opts, brain_class):
    """Train a codec on the manifests of a recipe, and export it."""
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
    run_on_main(export_sibling, args=[hparams])
    print(f"The codec is in {hparams['export_folder']}")
