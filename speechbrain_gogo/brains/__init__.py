"""Brain subclasses and what training needs besides modules."""
