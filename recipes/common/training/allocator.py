"""Export of a trained token allocator, for the recipes of all corpora."""

from speechbrain.utils.distributed import run_on_main

from speechbrain_gogo.inference.loading.export import export_allocator
from speechbrain_gogo.inference.loading.pretrained import find_source


def export_best(brain, hparams):
    """Write the codec with the policy of the best validation reward."""
    brain.on_evaluate_start(max_key="reward")  # loads that checkpoint
    settings = {
        "folder": hparams["export_folder"],
        "codec_folder": find_source(hparams["source"]),
        "hyperparams_file": f"{hparams['output_folder']}/hyperparams.yaml",
        "allocator": hparams["model"]["allocator"],
    }
    run_on_main(export_allocator, kwargs=settings)
    print(f"The codec with its allocator is in {hparams['export_folder']}")
