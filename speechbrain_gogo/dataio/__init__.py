"""Audio, text, manifests, shards and tokens on disk.

No module here imports a network. Clips are either used, or skipped and counted
by reason (report.py).
"""

import speechbrain_gogo.compatibility  # noqa: F401
