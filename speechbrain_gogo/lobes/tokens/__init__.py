"""The granular token matrix: codec contract, prefixes, patterns."""
