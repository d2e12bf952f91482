"""Updates: batches, learning rates, clipping and logs."""

import logging

import pytest
import torch
from torch import nn

from speechbrain_gogo.brains.base import TrainingBrain
from speechbrain_gogo.brains.codec import CodecBrain
from speechbrain_gogo.brains.logs.code_usage import CodeUsage
from speechbrain_gogo.brains.plots import read_log
from speechbrain_gogo.brains.training.budget import TrainingBudget
from speechbrain_gogo.brains.training.updates import UpdatingBrain
from speechbrain_gogo.lobes.gogo.auxiliary import ARPrior


class Regression(UpdatingBrain):
    """Notes the batches and the gradient norm of every update."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.updates = [[]]

    def compute_forward(self, batch, stage):
        return self.modules.net(batch)

    def compute_objectives(self, predictions, batch, stage):
        return predictions.square().mean()

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.updates[-1].append(batch)
        if should_step:
            self.updates.append([])


def brain(net, opt_class, num_steps=1000, **run_opts):
    hparams = {
        "budget": TrainingBudget(num_steps, warmup_steps=0),
        "learning_rate": 0.01,
    }
    return Regression({"net": net}, opt_class, hparams, run_opts)


@pytest.fixture
def process_group(tmp_path, monkeypatch):
    """Of this process alone, as torchrun starts it."""
    if not torch.distributed.is_gloo_available():
        pytest.skip("needs gloo")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def test_batch_normalization_on_processes_without_gpus(process_group):
    """SyncBatchNorm, which SpeechBrain puts in its place, needs GPUs."""
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    net.append(nn.Linear(2, 1).requires_grad_(False))
    run = brain(
        net,
        torch.optim.SGD,
        device="cpu",
        distributed_backend="gloo",
    )
    run.modules["frozen"] = nn.Linear(1, 1).requires_grad_(False)
    run.fit(range(1), loader(list(torch.randn(2, 5, 3))), progressbar=False)
    assert isinstance(run.modules.net, nn.parallel.DistributedDataParallel)
    assert type(run.modules.net.module[0]) is nn.BatchNorm1d
    assert type(run.modules.frozen) is nn.Linear
    assert run.optimizer_step == 2


def loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None)


def test_remaining_batches_form_an_update():
    """Its gradient is the mean over the remaining batches."""
    torch.manual_seed(0)
    batches = list(torch.randn(7, 5, 3))
    net = nn.Linear(3, 2)
    start = [w.detach().clone() for w in net.parameters()]
    run = brain(net, torch.optim.SGD, grad_accumulation_factor=3)
    run.max_grad_norm = 1e9
    run.fit(range(2), loader(batches), progressbar=False)
    assert [len(update) for update in run.updates] == [3, 3, 1, 3, 3, 1, 0]
    assert run.optimizer_step == 6

    budget = TrainingBudget(1000, warmup_steps=0)
    weight, bias = (w.requires_grad_() for w in start)
    for step, update in enumerate(run.updates[:-1], start=1):
        loss = sum(
            nn.functional.linear(x, weight, bias).square().mean()
            for x in update
        )
        grads = torch.autograd.grad(loss / len(update), [weight, bias])
        with torch.no_grad():
            for w, grad in zip([weight, bias], grads):
                w -= 0.01 * budget.factor(step) * grad
    torch.testing.assert_close(net.weight, weight)


def test_short_loaders_are_counted(caplog):
    class Short(list):
        def __len__(self):
            return 6

    run = brain(nn.Linear(3, 2), torch.optim.SGD, grad_accumulation_factor=3)
    run.on_fit_start()
    with caplog.at_level(logging.WARNING):
        run._fit_train(Short(torch.randn(5, 5, 3)), 1, False)
    assert "ended 2 batches earlier" in caplog.text
    assert run.optimizer_step == 1 and not run.waiting


def test_budget_ends_between_updates():
    run = brain(nn.Linear(3, 2), torch.optim.SGD, 2, grad_accumulation_factor=2)
    run.fit(range(3), loader(list(torch.randn(6, 5, 3))), progressbar=False)
    assert [len(update) for update in run.updates] == [2, 2, 0]


class WithPrior(nn.Module):
    """Features by a layer, and the prior that predicts them."""

    def __init__(self, **prior):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Linear(3, 16)
        self.prior = ARPrior(16, 1, 2, 32, **prior)

    def forward(self, x):
        return self.prior(self.features(x))


def moved_by(updates, opt_class, **prior):
    """How far features and prior move, root mean square of each."""
    net = WithPrior(**prior)
    start = {k: w.detach().clone() for k, w in net.named_parameters()}
    run = brain(net, opt_class)
    run.fit(range(1), loader(list(torch.randn(updates, 4, 5, 3))), None, False)
    moved = {"features": [], "prior": []}
    for name, weight in net.named_parameters():
        change = (weight - start[name]).flatten()
        moved[name.split(".")[0]].append(change)
    return {
        name: torch.cat(changes).square().mean().sqrt().item()
        for name, changes in moved.items()
    }


def test_learning_rate_of_the_prior_is_scaled():
    """The factor scales the learning rate; AdamW ignores a scale of gradients."""
    settings = {
        "plain": {"learning_rate_factor": 1},
        "rate": {"learning_rate_factor": 50},
        "gradient": {"learning_rate_factor": 1, "gradient_scale": 50},
    }
    moved = {
        name: moved_by(1, torch.optim.AdamW, **prior)
        for name, prior in settings.items()
    }
    plain, rate, gradient = (moved[name] for name in settings)
    assert rate["prior"] == pytest.approx(50 * plain["prior"], rel=0.01)
    assert rate["features"] == pytest.approx(plain["features"], rel=1e-3)
    assert gradient["prior"] == pytest.approx(plain["prior"], rel=0.01)

    # The literal reading, to an optimizer that is not invariant to it.
    sgd = {
        name: moved_by(1, torch.optim.SGD, **prior)
        for name, prior in settings.items()
    }
    ratio = sgd["gradient"]["prior"] / sgd["gradient"]["features"]
    plain_ratio = sgd["plain"]["prior"] / sgd["plain"]["features"]
    assert ratio == pytest.approx(50 * plain_ratio, rel=0.01)


def test_default_factor_is_the_learning_rates():
    prior = ARPrior(16, 1, 2, 32)
    assert (prior.learning_rate_factor, prior.gradient_scale) == (50, 1)


def test_gradients_are_clipped_over_all_parameter_groups():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[1].learning_rate_factor = 50
    run = brain(net, torch.optim.SGD)
    run.on_fit_start()
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, 10.0)
    seen = {}

    def note(optimizer, *_):
        grads = [w.grad for g in optimizer.param_groups for w in g["params"]]
        seen["norm"] = torch.nn.utils.get_total_norm(grads)

    run.optimizer.register_step_pre_hook(note)
    run.optimizers_step()
    assert len(run.optimizer.param_groups) == 2
    assert seen["norm"] == pytest.approx(run.max_grad_norm, rel=1e-4)


def test_factors_survive_a_checkpoint():
    """The optimizer's own state holds them."""
    state = {}
    for _ in range(2):
        net = WithPrior()
        run = brain(net, torch.optim.AdamW)
        run.on_fit_start()
        run.set_learning_rate(run.optimizer)
        if state:
            run.optimizer.load_state_dict(state)
        state = run.optimizer.state_dict()
    rates = [group["lr"] for group in state["param_groups"]]
    assert rates[1] == pytest.approx(50 * rates[0])


def test_codebook_collapse_warns_once(caplog):
    usage = CodeUsage(num_levels=2, vocab_size=100)
    rows = []
    with caplog.at_level(logging.WARNING):
        for step, codes in enumerate([60, 40, 14, 5, 60, 10]):
            tokens = torch.arange(90).remainder(codes)
            usage.add(torch.stack([torch.arange(90), tokens], dim=1))
            usage.end_update()
            rows.append(usage.read(step))
    assert [row["codes used 2"] for row in rows] == [60, 40, 14, 5, 60, 10]
    assert {row["codes used 1"] for row in rows} == {90}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and "Update 2: level 2 of" in said[0]
    assert "uses 10 codes in an update, after 60" in said[1]


def test_skipped_updates_are_not_counted():
    usage = CodeUsage(num_levels=1, vocab_size=4)
    usage.add(torch.tensor([[0], [1], [2]]))
    usage.drop_update()
    usage.add(torch.tensor([[3]]))
    usage.end_update()
    assert usage.read(1) == {"codes used 1": 1.0}


class Times(nn.Module):
    """Multiplies by a weight that is 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.weight * x


def test_logged_losses_are_of_whole_updates(tmp_path):
    """From the first update on; codes, too."""

    class Given(CodecBrain):
        """Batches say what their loss and their codes are."""

        def compute_forward(self, batch, stage):
            loss, codes = batch
            tokens = torch.arange(codes)[:, None]
            return {"loss": self.modules.objective(loss), "tokens": tokens}

        def on_stage_start(self, stage, epoch=None):
            pass

    codec = torch.nn.Linear(1, 1)
    codec.num_codebooks, codec.vocab_size = 1, 100
    hparams = {
        "codec": codec,
        "ema": torch.optim.swa_utils.AveragedModel(codec),
        "vocoder": torch.nn.Identity(),
        "budget": TrainingBudget(10, warmup_steps=0),
        "learning_rate": 0.0,
        "log_interval": 2,
        "seed": 0,
        "output_folder": str(tmp_path),
    }
    brain = Given(
        {"objective": Times()},
        torch.optim.SGD,
        hparams,
        {"grad_accumulation_factor": 2, "skip_nonfinite_grads": True},
    )
    losses = [1.0, 3.0, 5.0, 7.0, float("nan"), 2.0, 9.0]
    batches = [(torch.tensor(x), 10 + i) for i, x in enumerate(losses)]
    brain.on_fit_start()
    brain._fit_train(loader(batches), 1, False)
    rows = read_log(tmp_path / "progress.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 4]
    # Updates of two, two, two (one of which is NaN) and one.
    assert [row["loss"] for row in rows] == [2.0, 6.0, 9.0]
    assert [row["codes used 1"] for row in rows] == [11, 13, 16]


def test_dropout_is_the_same_after_a_resume(tmp_path):
    """It depends on the update, not on what was drawn before."""

    class Dropping(TrainingBrain):
        def compute_forward(self, batch, stage):
            return nn.functional.dropout(batch)

        def compute_objectives(self, predictions, batch, stage):
            self.dropped.append(predictions)
            return self.modules.net(predictions).square().mean()

    def train(seed):
        torch.manual_seed(seed)
        hparams = {"budget": TrainingBudget(3, 0), "learning_rate": 0.01}
        hparams |= {"seed": 0, "output_folder": tmp_path}
        net = {"net": nn.Linear(8, 1)}
        trained = Dropping(net, torch.optim.SGD, hparams, {"device": "cpu"})
        trained.dropped = []
        trained.fit(range(1), torch.ones(3, 9, 8), progressbar=False)
        return torch.stack(trained.dropped)

    masks = train(1)
    assert torch.equal(masks, train(2))
    assert not torch.equal(masks[0], masks[1])
