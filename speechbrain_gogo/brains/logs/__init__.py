"""Records of a training: used and skipped clips, code usage, loggers."""

from speechbrain_gogo.brains.logs.code_usage import CodeUsage
from speechbrain_gogo.brains.logs.counting import CountingBrain
from speechbrain_gogo.brains.logs.loggers import RecipeLogger, log_report
from speechbrain_gogo.brains.logs.skipped import SkippedClips, UsedClips

__all__ = [
    "CodeUsage",
    "CountingBrain",
    "RecipeLogger",
    "SkippedClips",
    "UsedClips",
    "log_report",
]
