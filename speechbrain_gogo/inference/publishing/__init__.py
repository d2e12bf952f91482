"""Publishing a model folder on the Hugging Face hub, with a model card.

The card has figures of the training and of an evaluation. ``from_hparams``
loads the published model by its id.
"""
