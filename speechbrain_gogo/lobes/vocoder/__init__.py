"""Vocoders and the losses that train them."""
