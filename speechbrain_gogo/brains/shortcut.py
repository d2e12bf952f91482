"""The Brain that trains a codec's path alone, before everything else.

What the path knows of each group lies in memory, and an update takes many of
them: a processor goes through tens of times as much speech as with the whole
codec.
"""

import speechbrain as sb
import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.epoch_loop import EpochCounter
from tqdm import tqdm

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.checkpoints import AtomicCheckpointer
from speechbrain_gogo.brains.plots import plot_curves
from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.lobes.gogo.shortcut import fit_shortcuts
from speechbrain_gogo.lobes.gogo.shortcut_objective import ShortcutObjective

MOST_FITTED = 20_000  # groups, of which the principal components are taken
UPDATES_PER_EPOCH = 1000  # between validations and checkpoints
NO_LIMIT = 10_000_000


class ShortcutBrain(TrainingBrain):
    """Trains a :class:`~speechbrain_gogo.lobes.gogo.shortcut_objective.ShortcutObjective`.

    See :func:`start_shortcuts` for what it takes from a recipe.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.log_path = self.log_path.parent / "shortcut" / self.log_path.name

    def train_on(self, valid_groups):
        """Train on ``groups`` until the budget is over.

        Arguments
        ---------
        valid_groups : torch.Tensor
            Normalized mel to judge by, shape [M, g, d], of any float type;
            like ``groups``, which projecting replaces: they take a third then.
        """
        updates = range(UPDATES_PER_EPOCH)
        self.fit(
            self.hparams.epoch_counter,
            SaveableDataLoader(updates, batch_size=None),
            SaveableDataLoader(valid_groups.split(4096), batch_size=None),
        )

    def on_fit_start(self):
        """Project the groups along the path of the last checkpoint."""
        super().on_fit_start()
        self.hparams.objective.compose()
        self.groups = self.hparams.objective.project(self.groups)

    def compute_forward(self, batch, stage):
        """The loss of groups that the update draws by its number."""
        generator = self.generator()
        if stage == sb.Stage.TRAIN:
            count = (self.hparams.shortcut_groups,)
            drawn = torch.randint(len(self.groups), count, generator=generator)
            batch = self.groups[drawn]
        else:
            batch = self.hparams.objective.project(batch)
        batch = batch.to(self.device).float()
        return self.modules.objective(batch, generator=generator)

    def compute_objectives(self, predictions, batch, stage):
        """The forward pass has computed it."""
        return predictions

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log, plot, save a checkpoint."""
        self.write_log(stage.name.lower(), loss=stage_loss)
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
        if stage != sb.Stage.VALID:
            return
        self.hparams.train_logger.log_stats(
            {"shortcut epoch": epoch, "updates": self.optimizer_step},
            train_stats={"loss": self.train_loss},
            valid_stats={"loss": stage_loss},
        )
        if if_main_process():
            plot_curves(self.log_path, self.log_path.with_name("curves.png"))
        self.save_validated({"loss": stage_loss})


@torch.no_grad()
def mel_groups(codec, clips, device):
    """Normalized mel of clips {"sig" [T]}, as groups [M, g, d] in half precision."""
    found = [
        codec.group(clip["sig"].to(device)[None])[0][0].half().cpu()
        for clip in tqdm(clips, "Mel of clips", unit="clip")
    ]
    return torch.cat(found)


def fit_to_some(codec, groups, seed):
    """Start a path at the principal components of groups drawn by a seed."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(groups), generator=generator)[:MOST_FITTED]
    was_training = codec.training
    fit_shortcuts(codec.eval(), groups[drawn].to(codec.mask.device).float())
    codec.train(was_training)


def start_shortcuts(hparams, run_opts, device, clips, valid_clips):
    """Start a codec's path at principal components, and train it alone.

    Stopped, by whatever, it goes on where it was.

    Arguments
    ---------
    hparams : dict
        Of a codec recipe.
    run_opts : dict
        Of the recipe.
    device : torch.device
        Where the codec's Brain computes.
    clips : iterable of dict
        Training clips {"sig" [T]}.
    valid_clips : iterable of dict
        Validation clips.
    """
    codec = hparams["codec"]
    groups = mel_groups(codec.to(device), clips, device)
    fit_to_some(codec, groups, hparams["seed"])
    if not hparams["shortcut_steps"] or codec.shortcut_in.mlp is None:
        return
    objective = ShortcutObjective(hparams["model"]["objective"])
    epochs = EpochCounter(limit=NO_LIMIT)  # the budget ends before
    budget = TrainingBudget(
        hparams["shortcut_steps"],
        hparams["warmup_steps"],
        hparams["shortcut_minutes"],
    )
    brain = ShortcutBrain(
        modules={"objective": objective},
        opt_class=hparams["opt_class"],
        hparams={
            **hparams,
            "objective": objective,
            "learning_rate": hparams["shortcut_learning_rate"],
            "epoch_counter": epochs,
            "budget": budget,
        },
        run_opts=run_opts,
        checkpointer=AtomicCheckpointer(
            f"{hparams['output_folder']}/shortcut",
            {"objective": objective, "counter": epochs, "budget": budget},
        ),
    )
    brain.grad_accumulation_factor = 1  # groups are few enough
    brain.groups = groups
    del groups  # it is the brain that lets them go
    brain.train_on(mel_groups(codec, valid_clips, device))
    objective.release()
