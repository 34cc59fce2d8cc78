"""What a step of a Gymnasium environment costs in a plain loop of Python: prints microseconds, the median of seven rounds.

Usage: python bare_loop.py ENVIRONMENT [ROWS]. Random actions, drawn beforehand; resets are included.
"""

import statistics
import sys
import time

import gymnasium

STEPS = 5_000

name, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 16
envs = [gymnasium.make(name) for _ in range(rows)]
actions = [[env.action_space.sample() for _ in range(STEPS)] for env in envs]
for seed, env in enumerate(envs):
    env.reset(seed=seed)
rounds = []
for _ in range(7):
    start = time.perf_counter()
    for t in range(STEPS):
        for env, row in zip(envs, actions):
            observation, reward, terminated, truncated, info = env.step(row[t])
            if terminated or truncated:
                env.reset(seed=t)
    rounds.append((time.perf_counter() - start) / (STEPS * rows) * 1e6)
print(f"{name}, {rows} rows: {statistics.median(rounds):.2f} µs a step ({min(rounds):.2f} to {max(rounds):.2f})")
