"""Text for the models: token ids, and front ends by language."""
