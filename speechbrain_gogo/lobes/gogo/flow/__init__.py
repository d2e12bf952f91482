"""Decoding by flow matching (Section 3.1.2).

The training loss and the sampler, the solvers of its ordinary differential
equation, a student that decodes in few steps with its distillation, and
regression of the mel as the simplest decoder.
"""
