"""The token allocator: policy, reward, GRPO and its ablations."""
