"""The allocator recipes with the tiny codec on a few clips."""

from pathlib import Path

from command_lines import command_line

REPOSITORY = Path(__file__).resolve().parents[4]
RECIPES = {
    name: REPOSITORY / "recipes" / name / "allocator"
    for name in ("LibriTTS", "Emilia")
}
SCRIPT = RECIPES["LibriTTS"] / "train.py"
TINY = {
    "model": "{dim: 32, num_heads: 2, ffn_dim: 64}",
    "device": "cpu",
    "skip_prep": True,
    "cache_folder": "null",
    "num_workers": 0,
    "number_of_epochs": 2,
    "warmup_steps": 2,
    "batch_seconds": 8,
    "num_buckets": 2,
    "log_interval": 1,
    "vocoder": "null",
    "flow_steps": 1,
    "ckpt_interval_minutes": 0,
}


def arguments(codec, data_folder, output_folder, **overrides):
    """The recipe's command line."""
    settings = {
        "source": codec,
        "data_folder": data_folder,
        "train_csv": data_folder / "train.csv",
        "valid_csv": data_folder / "valid.csv",
        "output_folder": output_folder,
        **TINY,
        **overrides,
    }
    yaml = SCRIPT.parent / "hparams" / "mini.yaml"
    return command_line(yaml, settings)
