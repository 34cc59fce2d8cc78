"""What Gymnasium itself shows: prints one JSON list of [observation, reward, episode] for each seed and step.

Usage: python reference.py NAME SEEDS ACTIONS, the last two lists in JSON: one episode for each seed, which takes the actions
as long as it runs. The first entry of an episode has neither reward nor end. Numbers are those of f32.
"""

import json
import sys

import gymnasium
import numpy as np


def shown(env, observation):
    return gymnasium.spaces.flatten(env.observation_space, observation).astype(np.float32).tolist()


name, seeds, actions = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
env = gymnasium.make(name)
record = []
for seed in seeds:
    observation, _ = env.reset(seed=seed)
    record.append([shown(env, observation), 0.0, 0])
    for action in actions:
        action = np.asarray(action, env.action_space.dtype)[()]
        observation, reward, terminated, truncated, _ = env.step(action)
        episode = 1 if terminated else 2 if truncated else 0
        record.append([shown(env, observation), float(np.float32(reward)), episode])
        if episode:
            break
print(json.dumps(record))
