#!/usr/bin/env bash
# transformers 5.24.0 beside ctranslate2 4.8.5 and faster-whisper 1.2.1 (PyPI)
#
# WhisperProcessor.save_pretrained of transformers 5 writes processor_config.json and no
# longer preprocessor_config.json. faster-whisper looks for the latter alone, to learn how
# many mel bins the model hears. A Whisper with 128 bins (large-v3 has as many) that was
# saved by transformers 5 and converted by ctranslate2 is therefore given 80 bins, and
# transcribing raises a ValueError about the shape; the documented option to copy
# preprocessor_config.json finds no such file. A model with 80 bins, such as base, works,
# so the loss shows first with the largest model.
#
# Seen with torch 2.13.0 on Linux x86_64, Python 3.11, with random weights. Exits with 1 if
# this is no longer what happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/pip install --quiet torch==2.13.0 transformers==5.24.0 ctranslate2==4.8.5 \
    faster-whisper==1.2.1
cat > seen.py <<'PY'
import os
from importlib.metadata import version

import numpy as np
from ctranslate2.converters import TransformersConverter
from faster_whisper import WhisperModel
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

for name in ("transformers", "ctranslate2", "faster-whisper"):
    print(name, version(name))
characters = sorted(set(bytes_to_unicode().values()))
marks = "endoftext startoftranscript en translate transcribe startoflm startofprev"
marks = [f"<|{m}|>" for m in f"{marks} nospeech notimestamps".split()]
vocab = {word: place for place, word in enumerate(characters + marks)}


def transcribe(mel_bins):
    """What happens to a second of silence, and what the folder holds."""
    folder = f"whisper-{mel_bins}"
    tokenizer = WhisperTokenizer(
        vocab=vocab, merges=[], extra_special_tokens=marks[1:]
    )
    tokenizer.add_tokens([f"<|{n * 0.02:.2f}|>" for n in range(1501)])
    size = dict.fromkeys(
        ("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 16
    ) | dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    heads = dict.fromkeys(
        ("encoder_attention_heads", "decoder_attention_heads"), 2
    )
    end = vocab["<|endoftext|>"]
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=mel_bins,
        decoder_start_token_id=vocab["<|startoftranscript|>"],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        **size,
        **heads,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=mel_bins)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    converter = TransformersConverter(folder, copy_files=["tokenizer.json"])
    converter.convert(f"{folder}-ct2")
    model = WhisperModel(f"{folder}-ct2", device="cpu")
    silence = np.zeros(16000, dtype=np.float32)
    try:
        segments, _ = model.transcribe(
            silence, language="en", beam_size=1, temperature=0.0
        )
        list(segments)
        outcome = "transcribed"
    except ValueError as error:
        outcome = f"ValueError: {error}"
    return outcome, sorted(os.listdir(folder))


small, files = transcribe(80)
large, _ = transcribe(128)
print("saved by transformers:", files)
print("80 mel bins:", small)
print("128 mel bins:", large)
lost = "preprocessor_config.json" not in files
refused = "(1, 128, 3000)" in large and "(1, 80, 3000)" in large
raise SystemExit(0 if lost and refused and small == "transcribed" else 1)
PY
env/bin/python seen.py
