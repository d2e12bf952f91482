"""Checks of user input.

Each function returns the value in the form of the networks, or raises a
ValueError that states what is wrong, where, and what to do.
"""
