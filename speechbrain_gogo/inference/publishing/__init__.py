"""Publishing a model folder on the Hugging Face hub, with a model card.

The card has figures of the training and of an evaluation. ``from_hparams``
loads the published model by its id.
"""

from speechbrain_gogo.inference.publishing.card import write_card
from speechbrain_gogo.inference.publishing.push import Published, push_model

__all__ = ["Published", "push_model", "write_card"]
