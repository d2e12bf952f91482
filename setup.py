"""Installs speechbrain_gogo: `pip install .`, or `.[dev]` with the tests."""

import re
from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    "speechbrain>=1.1.2,<1.2",
    # The last torchaudio is 2.11, and it refuses any torch that was built for
    # another CUDA version than itself: newer torch releases break it at
    # import, and so does the CPU-only build. This pair works together.
    "torch==2.11.*",
    "torchaudio==2.11.*",
    "hyperpyyaml>=1.2",
    "transformers>=5.0,<6",
    "vocos>=0.1,<0.2",
    "vector-quantize-pytorch>=1.20",
    "sentencepiece",
    "inflect>=7,<8",
    "huggingface_hub",
    "safetensors",
    "soundfile>=0.12",
    "scipy>=1.15",
    "webdataset>=1.0,<2",
    "pyyaml",
    "ruamel.yaml",
    "matplotlib",
    "tqdm",
    "typer>=0.12",
    "jinja2",
]

# Judges; the models of the offline ones are inside the wheels. Zhon lists the
# punctuation that Seed-TTS' evaluation deletes.
METRICS = [
    "pesq",
    "pystoi",
    "speechmos",
    "onnxruntime",
    "librosa",
    "requests",
    "Resemblyzer",
    "pocketsphinx",
    "zhon",
]

# `gogo tokenize --form datasets`.
DATASETS = ["datasets>=4,<6"]

# What the recipe LibriTTS/probing measures speech and text with.
PROBING = ["librosa", "praat-parselmouth", "textblob"]

version = re.search(
    r"__version__ = \"(.+)\"",
    Path("speechbrain_gogo/__init__.py").read_text(encoding="utf-8"),
)

setup(
    name="speechbrain-gogo",
    version=version.group(1),
    description="The Gogo speech codec and its relatives, for SpeechBrain",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["speechbrain_gogo*"]),
    package_data={
        "speechbrain_gogo": ["inference/demo/*.html", "pretrained/**/*"]
    },
    install_requires=REQUIRED,
    extras_require={
        "metrics": METRICS,
        "datasets": DATASETS,
        "dev": METRICS
        + DATASETS
        + PROBING
        + ["pytest", "ruff", "pre-commit", "selenium", "snac"],
    },
    entry_points={"console_scripts": ["gogo = speechbrain_gogo.cli:main"]},
)
