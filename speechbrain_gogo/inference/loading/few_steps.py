"""Model folder of a student that learns to decode in few steps."""

import shutil
from pathlib import Path

from ruamel.yaml.tag import Tag
from safetensors.torch import load_file, save

from speechbrain_gogo.inference.loading.export import MODEL_FILE, edit_model
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import (
    FewStepFlow,
    StepDiT,
    step_embedding,
)
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.flow.residual_flow import (
    FewStepResidualFlow,
    ResidualFlow,
)

WEIGHTS = "codec.safetensors"
# Settings of a flow that a FewStepFlow does not take.
SAMPLING = "guidance_scale", "guidance_interval", "grid", "solver"
# Class of a student, by the name of its teacher's.
STUDENTS = {
    ConditionalFlowMatching.__name__: FewStepFlow,
    ResidualFlow.__name__: FewStepResidualFlow,
}


def make_student(folder, teacher, num_steps):
    """Write a codec whose flow can learn to take few steps; returns its folder.

    ``teacher`` is the model folder or bundled name of a codec with a flow over
    a DiT; everything but the flow is copied from it: tokens keep their meaning,
    and an allocator stays valid. Before training it samples as the teacher
    without guidance, in ``num_steps`` unless ``from_hparams(..., steps=)``
    gives another number. Raises a ValueError if the teacher has no such flow,
    or is in that folder.
    """
    folder, source = Path(folder), Path(find_source(teacher))
    if folder.resolve() == source.resolve():
        raise ValueError(f"{folder} holds the teacher: choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (source / MODEL_FILE, *source.glob("*.safetensors")):
        shutil.copyfile(path, folder / path.name)
    with edit_model(folder) as tree:
        flow = tree["modules"]["codec"]["flow"]
        found = [str(node.tag.value) for node in (flow, flow["backbone"])]
        # A class has more than one path: its module's, and its package's.
        names = [name.rpartition(".")[2] for name in found]
        if names[0] not in STUDENTS or names[1] != DiT.__name__:
            raise ValueError(
                f"{teacher}: its decoder is {' over '.join(found)}; a student "
                f"is made of a {' or '.join(STUDENTS)} over a DiT."
            )
        for key in SAMPLING:
            flow.pop(key, None)
        flow["num_steps"] = num_steps
        flow.yaml_set_ctag(Tag(suffix=name_of(STUDENTS[names[0]])))
        flow["backbone"].yaml_set_ctag(Tag(suffix=name_of(StepDiT)))
    weights = load_file(folder / WEIGHTS)
    dim = len(weights["flow.backbone.project_x.weight"])
    for key, value in step_embedding(dim).state_dict().items():
        weights[f"flow.backbone.step.{key}"] = value
    (folder / WEIGHTS).write_bytes(save(weights))
    return folder


def name_of(kind):
    """YAML tag that creates an object of a class."""
    return f"!new:{kind.__module__}.{kind.__qualname__}"
