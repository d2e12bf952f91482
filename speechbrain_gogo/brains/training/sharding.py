"""Models whose weights are split over the processes that train them (FSDP2).

Each process keeps its rows of weights, gradients and optimizer state; a layer is
whole only while it computes. Checkpoints are those of whole models, so that any
number of processes can resume, also without sharding.
"""

import contextlib
import copy
import functools
import itertools

import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
    torch_recovery,
)
from speechbrain.utils.distributed import if_main_process
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor):
    """A tensor in one piece; all processes call it.

    Example
    -------
    >>> whole(torch.ones(2))
    tensor([1., 1.])
    """
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


# All ranks save and load: they gather and distribute the weights together.
@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class ShardedModule(nn.Module):
    """A module beside a copy of it that is split over all processes.

    The copy is trained; all processes must call its forward passes together.
    Validation, samples and exports, which processes do alone, use the module
    itself: it stays on the CPU and has the weights of the last :meth:`gather`.
    Layers (entries of module lists) are gathered one at a time, all other weights
    together. In each layer, trained weights have one data type.

    Devices are "cuda", or "cpu" over gloo. The precision "bf16" gathers weights
    in bfloat16 and averages gradients in float32; "fp32" does all in the
    precision of the weights; another one is a ValueError.
    """

    def __init__(self, module, device_type="cpu", precision="fp32"):
        super().__init__()
        if precision not in ("fp32", "bf16"):
            raise ValueError(
                f"shard_weights: FSDP2 does not train with precision "
                f"'{precision}', whose scaler sees one process alone: use "
                "bf16 or fp32."
            )
        self.device_type = device_type
        self._whole = (module.to("cpu"),)  # a tuple: no weights of this module
        mesh = init_device_mesh(
            device_type, (torch.distributed.get_world_size(),)
        )
        policy = MixedPrecisionPolicy(cast_forward_inputs=False)
        if precision == "bf16":
            policy = MixedPrecisionPolicy(
                torch.bfloat16, torch.float32, cast_forward_inputs=False
            )
        self.shards = copy.deepcopy(module)
        for part in reversed(list(self.shards.modules())):  # inner ones first
            if isinstance(part, nn.ModuleList):
                for layer in part:
                    fully_shard(layer, mesh=mesh, mp_policy=policy)
        fully_shard(self.shards, mesh=mesh, mp_policy=policy)
        self.scatter()

    @property
    def module(self):
        """The whole module; wrappers of torch have the same attribute."""
        return self._whole[0]

    def forward(self, *args, **kwargs):
        """Forward pass of the copy."""
        return self.shards(*args, **kwargs)

    def train(self, mode=True):
        """Set the mode of the copy and of the whole module."""
        self.module.train(mode)
        return super().train(mode)

    def _pairs(self):
        each = (
            itertools.chain(module.parameters(), module.buffers())
            for module in (self.module, self.shards)
        )
        return zip(*each)

    @torch.no_grad()
    def gather(self):
        """Copy the shards' weights to the whole module; all ranks call it."""
        for mine, shard in self._pairs():
            mine.copy_(whole(shard))

    @torch.no_grad()
    def scatter(self):
        """Copy rank 0's whole module to the shards; all ranks call it."""
        for mine, shard in self._pairs():
            if isinstance(shard, DTensor):
                mine = mine.detach().to(shard.device)
                mesh, placements = shard.device_mesh, shard.placements
                mine = distribute_tensor(mine, mesh, placements)
            shard.copy_(mine)

    @contextlib.contextmanager
    def gathered(self):
        """Context in which the whole module is gathered and on the device."""
        self.gather()
        self.module.to(self.device_type)
        yield
        self.module.to("cpu")

    @mark_as_saver
    def _save(self, path):
        self.gather()
        if if_main_process():
            torch.save(self.module.state_dict(), path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        torch_recovery(self.module, path, end_of_epoch)
        self.scatter()


@functools.partial(register_checkpoint_hooks, save_on_main_only=False)
class ShardedOptimizer:
    """Saves the state of an optimizer of shards as that of a whole model.

    The state of AdamW or MasterAdamW is sharded as the weights are. Raises a
    ValueError for an optimizer of bitsandbytes, whose kernels know no shards.
    """

    def __init__(self, optimizer):
        if type(optimizer).__module__.startswith("bitsandbytes"):
            raise ValueError(
                "shard_weights: bitsandbytes cannot update weights that FSDP2 "
                "has split; use adamw master or torch, whose states are split."
            )
        self.optimizer = optimizer

    @mark_as_saver
    def _save(self, path):
        saved, states = self.optimizer.state_dict(), {}
        for number, state in saved["state"].items():
            states[number] = {}
            for name, value in state.items():
                value = whole(value)  # by all ranks, one at a time
                if if_main_process():
                    if torch.is_tensor(value):
                        value = value.cpu()
                    states[number][name] = value
        if if_main_process():
            torch.save({**saved, "state": states}, path)

    @mark_as_loader
    def _load(self, path, end_of_epoch=False):
        saved = torch.load(path, map_location="cpu")
        groups = self.optimizer.param_groups
        weights = [weight for group in groups for weight in group["params"]]
        for number, state in saved["state"].items():
            weight = weights[number]
            for name, value in state.items():
                if torch.is_tensor(value) and value.shape == weight.shape:
                    state[name] = distribute_tensor(
                        value.to(weight.device),
                        weight.device_mesh,
                        weight.placements,
                    )
        self.optimizer.load_state_dict(saved)
