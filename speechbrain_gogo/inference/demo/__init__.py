"""The demonstration by ear and the pictures on its page."""
