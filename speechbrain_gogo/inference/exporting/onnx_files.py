"""Writing a network as an ONNX file, and comparing the file with torch."""

import contextlib
import logging
import warnings

import torch

from speechbrain_gogo.inference.exporting.network import Function

TOLERANCE = 1e-4
SEED = 0
# Sizes of the letters in shapes, when a network is traced and when its file is
# checked: a single item, one position, an empty cache are among them.
TRACED = {"B": 2, "N": 3, "T": 4, "S": 5, "L": 6, "M": 7, "W": 1792}
CHECKED = [
    {"B": 1, "N": 7, "T": 1, "S": 6, "L": 8, "M": 9, "W": 4608},
    {"B": 3, "N": 2, "T": 9, "S": 0, "L": 5, "M": 6, "W": 1280},
]


def write_onnx(network, folder):
    """Write a network as NAME.onnx into an existing folder; gives the path.

    Weights of more than 1.6 GB are in NAME.onnx.data, since a file of protobuf
    has 2 GB at most.
    """
    path = folder / f"{network.name}.onnx"
    letters = {
        size
        for tensor in network.inputs.values()
        for size in tensor.shape
        if isinstance(size, str)
    }
    sizes = {letter: torch.export.Dim(letter) for letter in sorted(letters)}
    dynamic = tuple(
        {
            place: sizes[size]
            for place, size in enumerate(tensor.shape)
            if isinstance(size, str)
        }
        for tensor in network.inputs.values()
    )
    if isinstance(network.module, Function):  # has one argument, *inputs
        dynamic = (dynamic,)
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            network.module.eval(),
            tuple(network.draw(TRACED, SEED).values()),
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_shapes=dynamic,
            dynamo=True,
            verbose=False,
        )
    program.save(path)
    return path


@contextlib.contextmanager
def quiet():
    """A context without the exporter's remarks, which change nothing."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def check_onnx(network, path):
    """Compare a network's file with torch, on inputs of other sizes.

    Returns the largest absolute difference, 0 for ids. A ValueError is raised
    if ids are not equal, or others differ by more than 1e-4 or are not finite.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    reference, worst = network.reference or network.module, 0.0
    for sizes in CHECKED:
        inputs = network.draw(sizes, SEED + 1)
        with torch.no_grad():
            expected = reference(*inputs.values())
        if torch.is_tensor(expected):
            expected = (expected,)
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        for name, wanted, found in zip(
            network.outputs, expected, session.run(None, arrays)
        ):
            found = torch.from_numpy(found)
            different = difference(wanted, found)
            if not different <= (
                TOLERANCE if wanted.is_floating_point() else 0
            ):
                raise ValueError(
                    f"{path} is wrong: '{name}' in ONNX Runtime differs from "
                    f"torch, by up to {different:.3g}. Inputs had the sizes "
                    f"{sizes}."
                )
            worst = max(worst, different)
    return worst


def difference(wanted, found):
    """Largest absolute difference of two tensors; infinite between shapes."""
    if wanted.shape != found.shape:
        return float("inf")
    if not wanted.numel():
        return 0.0
    return float((wanted - found).abs().max())
