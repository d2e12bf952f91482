"""Brain subclasses, and the parts of training that are not modules.

One Brain for each network, on a common base. Checkpoints, schedules, logs and
plots are in files of their own.
"""
