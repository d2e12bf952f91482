"""Loading pretrained models and exporting trained ones.

A model is a folder with a YAML and safetensors, found on disk, among the
bundled models or on the hub. Its YAML may only name known networks, and weights
are loaded strictly.
"""
