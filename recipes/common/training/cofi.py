"""Training of CoFi-Codec, for all corpora with manifests."""

from recipes.common.training.adversarial_codec import train_adversarial_codec
from speechbrain_gogo.brains.cofi import CoFiCodecBrain
from speechbrain_gogo.inference.loading.export import export_codec


def train_cofi(hparams, run_opts):
    """Train a codec on the manifests of a recipe, and export it.

    Arguments
    ---------
    hparams, run_opts : dict
        From :func:`recipes.common.experiment.start`.
    """
    train_adversarial_codec(hparams, run_opts, CoFiCodecBrain, export_trained)


def export_trained(hparams):
    """Write the trained codec to ``export_folder``."""
    return export_codec(
        hparams["export_folder"],
        f"{hparams['output_folder']}/hyperparams.yaml",
        hparams["codec"],
        hparams["vocoder"],
    )
