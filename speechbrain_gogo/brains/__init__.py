"""Brain subclasses, one for each network, on a common base.

Updates of the weights are in training/, records of what was trained on in logs/.
"""
