"""Optimizers of the language models that need different amounts of memory.

bfloat16 weights have 8 significant bits, so small updates at the end of a
training are lost by rounding. :class:`MasterAdamW` keeps and updates a float32
copy of each weight, and rounds it to the weight.
"""

import torch
from torch.optim import Optimizer

# What the state of a weight is called, by kind.
STATE = {"torch": "exp_avg", "master": "master", "8bit": "state1"}


def make_optimizer(params, kind="torch", **settings):
    """Make an AdamW.

    Arguments
    ---------
    params : iterable
        Parameters or groups of them.
    kind : str
        "torch", that of torch; "master", :class:`MasterAdamW`; or "8bit", that of
        bitsandbytes, whose two moments take a byte each.
    **settings
        ``lr``, ``betas``, ``eps`` and ``weight_decay``.

    Returns
    -------
    torch.optim.Optimizer

    Raises
    ------
    ValueError
        If there is no such kind, or bitsandbytes is missing; later, if a state
        of another kind is loaded.

    Example
    -------
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> type(make_optimizer([weight], "master", lr=0.1)).__name__
    'MasterAdamW'
    """
    if kind not in STATE:
        raise ValueError(f"adamw={kind}: use torch, master or 8bit.")

    def check_kind(optimizer, state_dict):
        for state in state_dict["state"].values():
            if STATE[kind] not in state:
                raise ValueError(
                    f"The checkpoint's optimizer is not adamw={kind}: continue "
                    "with the kind that it was trained with."
                )

    optimizer = adamw_class(kind)(params, **settings)
    optimizer.register_load_state_dict_pre_hook(check_kind)
    return optimizer


def adamw_class(kind):
    """The class of a kind of AdamW, as :func:`make_optimizer` has them."""
    if kind == "torch":
        return torch.optim.AdamW
    if kind == "master":
        return MasterAdamW
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise ValueError(
            "The 8-bit optimizer needs the package bitsandbytes: pip install "
            "'speechbrain-gogo[memory]'"
        ) from None
    return AdamW8bit


class MasterAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter) over float32 copies of the weights.

    Parameters, gradients, copies and moments take 2 + 2 + 4 + 8 bytes per
    weight; float32 weights under autocast take 4 + 4 + 8 bytes, plus 2 for
    weights that autocast converts. Arguments are those of torch.optim.AdamW;
    weights may be of any float type.

    Example
    -------
    >>> weight = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    >>> optimizer = MasterAdamW([weight], lr=1e-3, weight_decay=0.0)
    >>> for _ in range(4):  # a step alone is less than half of 2 ** -8
    ...     weight.grad = torch.ones_like(weight)
    ...     optimizer.step()
    >>> weight.item(), round(optimizer.state[weight]["master"].item(), 4)
    (0.99609375, 0.996)
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
    ):
        settings = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, settings)

    @torch.no_grad()
    def step(self):
        """One update of all weights that have a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)

    def _update(self, weight, group):
        state, (mean_decay, square_decay) = self.state[weight], group["betas"]
        if not state:
            state["step"] = 0
            state["master"] = weight.detach().float().clone()
            state["mean"] = torch.zeros_like(state["master"])
            state["square"] = torch.zeros_like(state["master"])
        state["step"] += 1
        master, mean, square = (state[k] for k in ("master", "mean", "square"))
        gradient = weight.grad.float()
        master.mul_(1 - group["lr"] * group["weight_decay"])
        mean.lerp_(gradient, 1 - mean_decay)
        square.lerp_(gradient.square(), 1 - square_decay)
        rate = group["lr"] / (1 - mean_decay ** state["step"])
        root = (square / (1 - square_decay ** state["step"])).sqrt_()
        master.addcdiv_(mean, root.add_(group["eps"]), value=-rate)
        weight.copy_(master)

    def load_state_dict(self, state_dict):
        """Load a state in float32; torch would round it to the weights' type."""
        super().load_state_dict(state_dict)
        weights = [w for group in self.param_groups for w in group["params"]]
        for number, state in state_dict["state"].items():
            weight = weights[number]
            self.state[weight] = {
                name: value.to(weight.device, copy=True)
                if torch.is_tensor(value)
                else value
                for name, value in state.items()
            }
