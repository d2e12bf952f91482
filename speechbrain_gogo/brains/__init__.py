"""Brain subclasses and what training needs besides modules."""

import speechbrain_gogo.compatibility  # noqa: F401
