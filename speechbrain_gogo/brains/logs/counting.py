"""Counts of used and skipped clips in training and validation.

A clip counts as used once it was in a batch. Batches without a usable clip are
silence (see ``collate_usable``): validation leaves them out, and a training
with no other batches ends.
"""

from collections import Counter

from speechbrain_gogo.brains.logs.skipped import (
    SkippedClips,
    UsedClips,
    hash_id,
)
from speechbrain_gogo.brains.training.updates import UpdatingBrain
from speechbrain_gogo.dataio.ranks import of_all_ranks
from speechbrain_gogo.dataio.report import ClipReport


class CountingBrain(UpdatingBrain):
    """A Brain that counts clips, and stops if none is usable."""

    valid_report = ClipReport()  # of the last validation, without the manifest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.skipped, self.used = SkippedClips(), UsedClips()
        self.epoch_batches = Counter()
        if self.checkpointer:
            self.checkpointer.add_recoverable("skipped", self.skipped)
            self.checkpointer.add_recoverable("heard", self.used)

    # Training

    def fit_batch(self, batch):
        """As in SpeechBrain, with counting of clips."""
        self.receive(batch)
        return super().fit_batch(batch)

    def receive(self, batch):
        """Record a batch of training, before it is used."""
        self.count_clips(batch)

    def count_clips(self, batch):
        """Record used and skipped clips."""
        for key, reason in getattr(batch, "skipped", ()):
            self.skipped.setdefault(key, reason)
        stand_in = getattr(batch, "stand_in", False)
        self.epoch_batches["silent" if stand_in else "used"] += 1
        if not stand_in:
            self.used.add(getattr(batch, "id", ()))

    def _fit_train(self, train_set, epoch, enable):
        self.epoch_batches.clear()
        super()._fit_train(train_set, epoch, enable)
        batches = sum(of_all_ranks(self.epoch_batches), Counter())
        if batches["silent"] and not batches["used"]:
            raise ValueError(
                f"No training clip of epoch {epoch} could be used: "
                f"{dict(self.skipped_clips())}. Is the disk still there?"
            )

    # Validation

    def _fit_valid(self, valid_set, epoch, enable):
        if valid_set is not None:
            # In debug mode a rank leaves its loader early, without the other
            # ranks.
            split = self.splits_validation and not self.debug
            valid_set = UsableBatches(valid_set, split)
            self.valid_report = valid_set.report
        super()._fit_valid(valid_set, epoch, enable)

    def update_average(self, loss, avg_loss):
        """SpeechBrain's mean of losses; in validation of all losses.

        SpeechBrain ignores losses that are not finite, so that a validation
        with no other losses would be perfect.
        """
        if self.modules.training:
            return super().update_average(loss, avg_loss)
        return avg_loss + (float(loss) - avg_loss) / self.step

    # Records

    def skipped_clips(self):
        """Training clips whose audio was broken, by reason, on all ranks.

        Every rank has to call it.
        """
        return Counter(self.skipped.everywhere().values())

    def clip_stats(self):
        """Numbers of skipped clips for a logger, a dict; all ranks have to call it."""
        stats = {}
        for name, found in (
            ("clips skipped", self.skipped_clips()),
            ("validation clips skipped", Counter(self.valid_report.skipped)),
        ):
            stats[name] = found.total()
            for reason, count in sorted(found.items()):
                stats[f"{name} ({reason})"] = count
        return stats

    def training_report(self, listed):
        """Report of used and skipped training clips; all ranks have to call it.

        ``listed`` is that of the data set: clips that it left out, and all
        others as "used". In the result, "used" are those that were in a batch.
        """
        used, broken = self.used.everywhere(), self.skipped.everywhere()
        lost = {k: why for k, why in broken.items() if hash_id(k) not in used}
        rest = listed.used - len(used) - len(lost)
        report = ClipReport(listed.skipped)
        report.update(lost.values())
        report.update({"training ended before": rest} if rest > 0 else {})
        report["used"] = len(used)
        return report

    def validation_report(self, listed):
        """Report of used and skipped clips of the last validation.

        ``listed`` is that of the data set.
        """
        if not self.valid_report:  # a training that had ended before
            return listed
        return ClipReport(listed.skipped) + self.valid_report


class UsableBatches:
    """The batches of a loader without those that are silence.

    ``report`` counts the clips that were used and those that were left out. It
    is complete after the last batch, and includes the ``report`` of a loader
    that has one. ``over_ranks``: ranks have different batches, whose counts are
    summed. A ValueError is raised at the end if no clip could be used.
    """

    def __init__(self, loader, over_ranks=False):
        self.loader = loader
        self.over_ranks = over_ranks
        self.report = ClipReport()

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        before = ClipReport(getattr(self.loader, "report", {}))
        for batch in self.loader:
            self.report.update(why for _, why in getattr(batch, "skipped", ()))
            if not getattr(batch, "stand_in", False):
                self.report["used"] += len(getattr(batch, "id", (batch,)))
                yield batch
        after = ClipReport(getattr(self.loader, "report", {}))
        self.report.update(ClipReport(after - before).skipped)
        if self.over_ranks:
            total = sum(of_all_ranks(ClipReport(self.report)), ClipReport())
            self.report.clear()
            self.report.update(total)
        if not self.report.used:
            raise ValueError(
                f"No validation clip could be used: {self.report}. Repair the "
                "clips, or give others."
            )
