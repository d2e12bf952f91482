"""Training and evaluation of tasks whose input is tokens.

An evaluation is a list of rows, one per utterance. Figures computed from them
are logged, choose the best checkpoint, and are compared between runs by
compare_tokens.py, with confidence intervals.
"""

import json
from dataclasses import asdict
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, infer_device

from recipes.common.evaluation.results_file import write_rows
from recipes.common.experiment import fit, make_brain, start
from recipes.common.tokens import loader_settings, tokenized_dataset
from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.inference.files.describe import token_and_bit_rate

STAGES = "train", "valid", "test"


def start_tokens(script, arguments, stages=STAGES):
    """:func:`~recipes.common.experiment.start`, with a device for the codec.

    The hyperparameters have it as ``tokenizing_device``.
    """
    hparams, run_opts = start(script, arguments, stages)
    hparams["tokenizing_device"] = run_opts["device"] or infer_device()
    return hparams, run_opts


def token_datasets(hparams, **settings):
    """Datasets and loader settings, by stage; tokens are made where missing.

    ``settings`` are those of the TokenDatasets.
    """
    datasets = {s: tokenized_dataset(hparams, s, **settings) for s in STAGES}
    loaders = {
        stage: loader_settings(data.lengths, stage == "train", hparams)
        for stage, data in datasets.items()
    }
    return datasets, loaders


def fit_tokens(brain_class, hparams, run_opts, datasets, loaders):
    """Create and train a Brain whose data are the tokens of a codec."""
    hparams["codec_fingerprint"] = hparams["tokenizer"].codec.fingerprint
    brain = make_brain(brain_class, hparams, run_opts)
    fit(brain, datasets, loaders)
    return brain


def evaluate_best(brain, dataset, loader):
    """Test the best checkpoint of a Brain, and say where the results are."""
    best = brain.figures[0].label
    brain.evaluate(dataset, min_key=best, test_loader_kwargs=loader)
    print(f"The results are in {brain.hparams.output_folder}/results.csv")


class TokenTaskBrain(TrainingBrain):
    """A Brain whose input is embedded tokens and whose evaluation is rows.

    Subclasses set ``figures``, for which smaller is better; the first one
    selects the best checkpoint. In validation and test their
    ``compute_objectives`` appends a dict per utterance to ``rows``. The
    recipe's YAML gives ``tokenizer`` and what TrainingBrain needs.
    """

    figures = ()

    def embed(self, tokens):
        """Embeddings [B, N, K, H] of the first K of tokens [B, N, all]."""
        tokenizer = self.hparams.tokenizer.to(tokens.device)
        return tokenizer.embeddings(tokens[..., : tokenizer.num_codebooks])

    def on_stage_start(self, stage, epoch=None):
        """Reset the rows before a validation or a test."""
        self.rows = []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log; after a validation save a checkpoint, after the test the rows."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            return
        stats = {"loss": stage_loss}
        stats |= {f.label: figure_value(f, self.rows) for f in self.figures}
        if stage == sb.Stage.TEST:
            epoch = self.hparams.epoch_counter.current
            self.hparams.train_logger.log_stats(
                {"epoch": epoch}, test_stats=stats
            )
            if if_main_process():
                save_results(self.rows, self.figures, vars(self.hparams))
            return
        self.write_log("train", loss=self.train_loss)
        self.write_log("valid", **stats)
        self.log_validation(epoch, {"loss": self.train_loss}, stats)
        best = self.figures[0].label
        self.save_validated({best: stats[best]}, min_keys=[best])


def figure_value(figure, rows):
    """A figure of all rows, a float."""
    total = sum(row[figure.column] for row in rows)
    count = sum(row[figure.per] for row in rows) if figure.per else len(rows)
    return figure.scale * total / count


def save_results(rows, figures, hparams):
    """Write results.csv and results.json, which compare_tokens.py reads.

    Settings are ``tokenizer``, ``test_name`` and ``output_folder``.
    """
    tokenizer = hparams["tokenizer"]
    folder = Path(hparams["output_folder"])
    about = {
        "num_codebooks": tokenizer.num_codebooks,
        "rates": token_and_bit_rate(tokenizer.codec, tokenizer.num_codebooks),
        "codec": f"{tokenizer.codec.name} ({tokenizer.codec.fingerprint})",
        "test": hparams["test_name"],
        "figures": [asdict(figure) for figure in figures],
    }
    (folder / "results.json").write_text(json.dumps(about, indent=2) + "\n")
    write_rows(folder / "results.csv", rows)
