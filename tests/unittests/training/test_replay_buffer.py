"""The replay_buffer of groups is a queue, also after a stop."""

import torch
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_gogo.brains.training.replay_buffer import ReplayBuffer


def test_replay_buffer_resumes(tmp_path):
    """Equal to the last 7 of all groups added."""
    random = torch.Generator().manual_seed(0)
    replay_buffer, resumed = ReplayBuffer(7), ReplayBuffer(7)
    groups, rewards = torch.empty(0, 3, 2), torch.empty(0, 8)
    empty = Checkpointer(tmp_path / "empty", {"replay_buffer": replay_buffer})
    empty.save_checkpoint()
    Checkpointer(
        tmp_path / "empty", {"replay_buffer": resumed}
    ).recover_if_possible()
    assert len(resumed) == 0
    for count in (3, 0, 2, 5, 20, 1):
        new = torch.randn(count, 3, 2, generator=random)
        pay = torch.randn(count, 8, generator=random)
        replay_buffer.add(new, pay)
        groups = torch.cat([groups, new])[-7:]
        rewards = torch.cat([rewards, pay])[-7:]
        folder = tmp_path / f"{count}"
        Checkpointer(folder, {"replay_buffer": replay_buffer}).save_checkpoint()
        Checkpointer(folder, {"replay_buffer": resumed}).recover_if_possible()
        assert len(replay_buffer) == len(resumed) == len(groups)
        chosen = torch.randperm(len(groups), generator=random.manual_seed(1))
        for each in (replay_buffer, resumed):
            found = each.draw(4, random.manual_seed(1))
            assert torch.equal(found[0], groups[chosen[:4]])
            assert torch.equal(found[1], rewards[chosen[:4]])
        random.manual_seed(count)
