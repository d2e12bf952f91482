"""Publishing a model folder on the Hugging Face hub, with a model card.

The card's figures are those of the run that trained the model and of its
evaluation. What is published, ``from_hparams`` loads by its id.
"""

from speechbrain_gogo.inference.publishing.card import write_card
from speechbrain_gogo.inference.publishing.push import Published, push_model

__all__ = ["Published", "push_model", "write_card"]
