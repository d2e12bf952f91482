"""The Gogo codec: its networks and its training objective."""
