"""A web page and an HTTP API of a model that runs in this process.

Needs the extra ``gogo[serve]``. The API of speech has the shape of OpenAI's.
"""

from speechbrain_gogo.serving.app import make_app
from speechbrain_gogo.serving.jobs import JobQueue
from speechbrain_gogo.serving.models import Limits, Served, find_voices
from speechbrain_gogo.serving.run import host_names, listen, run_server

__all__ = [
    "JobQueue",
    "Limits",
    "Served",
    "find_voices",
    "host_names",
    "listen",
    "make_app",
    "run_server",
]
