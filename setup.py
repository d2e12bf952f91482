"""Installs speechbrain_gogo: `pip install .`, or `.[dev]` with the tests.

Exactly what `make demo` and `make test` install is in constraints.txt. Every
range below has its reason. Where a line has none of its own, its lower end is
the oldest release that `make oldest` has run the tests with (older ones may
work), and its upper end is the next release that may break what
is called here: the next major one, or before 1.0 the next minor one. Packages
of which a function or two are used, stable for years, have no upper end:
`make newest` finds out when that was wrong.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    # A new minor release of SpeechBrain may change what its Brain and its
    # interfaces call. 1.1.2 is the only one of 1.1 that was run.
    "speechbrain>=1.1.2,<1.2",
    # torchaudio 2.11.1 calls functions that torch has since 2.13, and is
    # linked to CUDA 13. torchaudio 2.11.0 accepts only a torch that was built
    # for its own CUDA minor version. Newer releases of either have not been
    # run.
    "torch>=2.13,<2.16",
    "torchaudio>=2.11.1,<2.12",
    # 5.0 is the first that reads its Llamas' rotary settings from
    # rope_parameters; a new major release may rename what lobes/ calls.
    "transformers>=5.0,<6",
    # 0.1 is the first with the attributes of the ISTFT head that
    # lobes/vocoder/ replaces; before 1.0 a minor release may break them.
    "vocos>=0.1,<0.2",
    # lobes/gogo/residual_vq.py sets the thresholds of ResidualVQ's codebooks,
    # which no public name reaches: up to the last release that was run.
    "vector-quantize-pytorch>=1.20,<1.33",
    # pyarrow, which datasets takes in any version, needs 2.0.
    "numpy>=2.0,<3",
    "scipy>=1.15,<2",
    "hyperpyyaml>=1.2.3,<2",
    # 0.18 is the first with the module of tags; hyperpyyaml has an upper end.
    "ruamel.yaml>=0.18",
    # 6.0 has no wheels for Python 3.12, and does not build with Cython 3.
    "pyyaml>=6.0.1",
    # 0.2 is the first with wheels for Python 3.12.
    "sentencepiece>=0.2,<0.3",
    "inflect>=7,<8",
    "anyascii>=0.3.2",
    "roman>=4",
    # 1.3.1 fails after a push to a hub at an address of its own; the upper end
    # is that of transformers 5.24.
    "huggingface_hub>=1.3.4,<3",
    "safetensors>=0.4.3",  # the lower end of transformers 5.0's range
    "soundfile>=0.13",  # the first that writes MP3 of a chosen bit rate
    "webdataset>=0.2.111,<2",
    "fsspec>=2024.6",
    "matplotlib>=3.8.4",  # the first that allows numpy 2
    "tqdm>=4.66",
    "typer>=0.12",
    "jinja2>=3.1",
]

# Judges; the models of the offline ones are inside the wheels. Zhon lists the
# punctuation that Seed-TTS' evaluation deletes.
METRICS = [
    "pesq>=0.0.4",
    "pystoi>=0.4",
    "mel-cepstral-distance>=0.0.4",
    "speechmos>=0.0.1.1",
    "onnxruntime>=1.20",
    "librosa>=0.10.2",
    "requests>=2.32",
    "Resemblyzer>=0.1.4",
    # Resemblyzer's webrtcvad imports pkg_resources, which 82 removed.
    "setuptools<82",
    # Which Resemblyzer asks for: 3.10 is for Pythons before 3.5, and uv, which
    # makes constraints.txt, looks at the lower ends of their ranges only.
    "typing<3.10",
    "pocketsphinx>=5.0.3",
    "zhon>=2.0.2",
]

# The engine of Whisper as a judge of words, where transformers is too slow.
RECOGNIZER = ["faster-whisper>=1.1"]

# Watermarks synthesised audio. Perth declares nothing of what it imports, and its
# class is None if an import fails: beside this package's torchaudio, scipy and
# pyyaml it takes the other two. Its weights are those of this release alone, which
# has to find what it has marked.
WATERMARK = [
    "resemble-perth==1.0.1",
    "librosa>=0.10.2",
    "setuptools<82",  # it imports pkg_resources, which 82 removed
]

# Shards at http: and s3: addresses; other storage has packages of its own, see
# fsspec.
REMOTE = ["fsspec[http,s3]>=2025.3"]

# Stages of 1.24 B parameters on one 24 GB card, see docs/memory.md. Older releases
# of peft import a cache that transformers 5.0 no longer has.
PEFT = ["peft>=0.18"]
MEMORY = [*PEFT, "bitsandbytes>=0.45"]

# `gogo tokenize --form datasets`.
DATASETS = ["datasets>=4,<6"]

# `gogo serve`.
SERVE = ["starlette>=0.46,<2", "uvicorn>=0.34"]

# `gogo export`. onnxscript 0.7.2, the exporter of torch, is the only one that was
# run, and before 1.0 a minor release may break it.
ONNX = ["onnxscript>=0.7.2,<0.8", "onnxruntime>=1.20"]

# What the recipe LibriTTS/probing measures speech and text with.
PROBING = ["librosa>=0.10.2", "praat-parselmouth>=0.4.5", "textblob>=0.18"]

# `make docs`. Material's last series is 9; MkDocs 2 has no plugins.
DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.7,<10",
    "mkdocs-jupyter>=0.25",
    "mkdocstrings[python]>=1.0,<2",
]

TESTS = [
    "aiohttp>=3.9",
    "ipykernel>=6.29",  # with nbclient: notebooks of docs/
    "nbclient>=0.10",
    *PEFT,
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff>=0.14",
    "pre-commit>=4",
    "selenium>=4.20",
    "snac>=1.2.1",
    "uv>=0.8",  # `make constraints`, `make oldest`
]

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
    python_requires=">=3.11,<3.14",  # 3.14 has not been run
    packages=find_packages(include=["speechbrain_gogo*"]),
    package_data={
        "speechbrain_gogo": [
            "hparams/**/*.yaml",
            "inference/**/*.html",
            "inference/**/*.jinja",
            "pretrained/**/*",
            "serving/page/*",
        ]
    },
    install_requires=REQUIRED,
    extras_require={
        "metrics": METRICS,
        "datasets": DATASETS,
        "recognizer": RECOGNIZER,
        "remote": REMOTE,
        "memory": MEMORY,
        "serve": SERVE,
        "watermark": WATERMARK,
        "onnx": ONNX,
        "docs": DOCS,
        "dev": METRICS
        + DATASETS
        + PROBING
        + SERVE
        + WATERMARK
        + ONNX
        + DOCS
        + TESTS,
    },
    entry_points={"console_scripts": ["gogo = speechbrain_gogo.cli:main"]},
)
