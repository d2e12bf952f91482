"""Checks of what users give to the interfaces.

Each function returns the value in the form that the networks take, or raises a
ValueError that says what is wrong, where, and what to do.
"""
