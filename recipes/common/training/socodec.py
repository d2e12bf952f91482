"""Training of SoCodec, for all corpora with manifests."""

from recipes.common.training.adversarial_codec import train_adversarial_codec
from speechbrain_gogo.brains.socodec import SoCodecBrain
from speechbrain_gogo.inference.loading.export import export_socodec


def train_socodec(hparams, run_opts):
    """Train a codec on the manifests of a recipe, and export it.

    Arguments
    ---------
    hparams, run_opts : dict
        From :func:`recipes.common.experiment.start`.
    """
    train_adversarial_codec(hparams, run_opts, SoCodecBrain, export_socodec)
