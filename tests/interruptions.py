"""Trainings that are interrupted, and resume."""

import pytest


class Stop(Exception):
    """The training is interrupted."""


def stop_at(patch, brain_class, updates):
    """Interrupt trainings after the checkpoint of the first of some updates."""
    save = brain_class._save_intra_epoch_ckpt

    def save_and_stop(self):
        save(self)
        if self.optimizer_step in updates[:1]:
            raise Stop

    patch.setattr(brain_class, "_save_intra_epoch_ckpt", save_and_stop)


def resume_until_done(main, line, stops):
    """Run a recipe again after each of its interruptions."""
    while stops:
        with pytest.raises(Stop):
            main(line)
        stops.pop(0)
    main(line)
