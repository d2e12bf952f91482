"""The demo of a codec: audio at several rates, and pictures, on one HTML page.

Run by ``gogo demo`` and ``gogo budgets``. It only uses the public interface of
the models.
"""

from speechbrain_gogo.inference.demo.budget_picture import (
    draw_budgets,
)
from speechbrain_gogo.inference.demo.run import (
    run_demo,
)

__all__ = [
    "draw_budgets",
    "run_demo",
]
