"""Audio, text, manifests, shards and tokens on disk.

No module here imports a network. What is read is either used, or skipped and
counted by its reason (report.py).
"""

import speechbrain_gogo.compatibility  # noqa: F401
