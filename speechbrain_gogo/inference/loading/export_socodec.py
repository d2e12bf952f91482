"""From a training of SoCodec to a folder that ``SoCodec.from_hparams`` loads."""

from pathlib import Path

from ruamel.yaml import YAML

from speechbrain_gogo.inference.loading.export import (
    export_codec,
    write_model_yaml,
)

SSL_FOLDER = "ssl"


def export_socodec(hparams):
    """Write the codec that a recipe has trained, with what its features need.

    A self-supervised network from a folder is copied into the export; one of
    the hub is named by its id.

    Arguments
    ---------
    hparams : dict
        Settings of the recipe: ``output_folder`` with the run's
        hyperparams.yaml, ``export_folder``, ``codec`` and ``vocoder``.

    Returns
    -------
    Path
        The export folder.
    """
    codec = hparams["codec"]
    folder = export_codec(
        Path(hparams["export_folder"]),
        f"{hparams['output_folder']}/hyperparams.yaml",
        codec,
        hparams["vocoder"],
    )
    if Path(codec.ssl.source).is_dir():
        codec.ssl.save_pretrained(folder / SSL_FOLDER)
        path = folder / "hyperparams.yaml"
        tree = YAML().load(path)
        tree["modules"]["codec"]["ssl"]["source"] = SSL_FOLDER
        write_model_yaml(tree, path)
    return folder
