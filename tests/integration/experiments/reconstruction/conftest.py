"""The reconstruction recipe with three short tones."""

import pytest
import soundfile
import torch
from noisy_codec import RATE


@pytest.fixture
def recipe(scripts_of):
    """The recipe's evaluate module."""
    scripts_of("LibriTTS/reconstruction")
    import evaluate

    return evaluate


@pytest.fixture
def hparams(tmp_path):
    """Settings for three short tones."""
    lines = ["ID,duration,wav,spk_id,wrd,sample_rate"]
    for n in range(3):
        tone = 0.1 * torch.sin(torch.arange(RATE // 2) * (n + 1) / 50)
        soundfile.write(str(tmp_path / f"{n}.wav"), tone.numpy(), RATE)
        lines.append(f"utt{n},0.5,$data_root/{n}.wav,me,hello,{RATE}")
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    return {
        "test_csv": str(tmp_path / "test.csv"),
        "data_folder": str(tmp_path),
        "output_folder": str(tmp_path / "out"),
        "expected_utterances": 3,
        "max_utterances": None,
        "sample_rate": RATE,
        "num_samples": 1,
        "bootstrap_seed": 0,
        "reference": None,
        "published": None,
        "num_workers": 0,
        "judge_batch_size": 1,
    }
