"""The demo of a codec: audio at several rates, and pictures, on one HTML page.

Run by ``gogo demo`` and ``gogo budgets``. It only uses the public interface of
the models.
"""
