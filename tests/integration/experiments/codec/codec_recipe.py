"""The LibriTTS codec recipe with a tiny model on a dozen clips.

Most runs are in this process, where a stop, a NaN or a full disk can be
arranged.
"""

from pathlib import Path

from command_lines import command_line

REPOSITORY = Path(__file__).resolve().parents[4]
SCRIPT = REPOSITORY / "recipes" / "LibriTTS" / "codec" / "train.py"
TINY = {
    "model": "{dim: 32, text_vocab: 40, encoder: {stem_layers: 1, "
    "num_layers: 1, ffn_dim: 64}, backbone: {num_layers: 1}, "
    "asr_head: {num_layers: 1, ffn_dim: 64}, ar_prior: {ffn_dim: 64}, "
    "objective: {share: 0.2}}",
    "device": "cpu",
    "precision": "fp32",
    "skip_prep": True,
    "num_workers": 0,
    "num_steps": 20,
    "number_of_epochs": 2,
    "warmup_steps": 2,
    "batch_seconds": 8,
    "num_buckets": 2,
    "log_interval": 1,
    "valid_keeps": "[1, 10]",
    "num_samples": 0,
    "ckpt_interval_minutes": 0,
    "ckpt_interval_steps": 1,
}


def arguments(data_folder, output_folder, **overrides):
    """The recipe's command line."""
    settings = {
        "data_folder": data_folder,
        "train_csv": data_folder / "train.csv",
        "valid_csv": data_folder / "valid.csv",
        "output_folder": output_folder,
        **TINY,
        **overrides,
    }
    yaml = SCRIPT.parent / "hparams" / "mini.yaml"
    return command_line(yaml, settings)


def summaries(folder):
    """One line per validation."""
    lines = (folder / "train_log.txt").read_text().splitlines()
    return [line for line in lines if "epoch" in line]
