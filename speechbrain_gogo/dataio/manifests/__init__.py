"""SpeechBrain CSV manifests as training data.

A manifest is read row by row into a DynamicItemDataset with audio and text
tokens. Rows that cannot be used are counted by reason.
"""

from speechbrain_gogo.dataio.manifests.dataset import (
    collate_usable,
    recipe_manifests,
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.dataio.manifests.reading import (
    read_complete_manifest,
    read_manifest,
)

__all__ = [
    "collate_usable",
    "read_complete_manifest",
    "read_manifest",
    "recipe_manifests",
    "speech_dataset",
    "usable_clips",
]
