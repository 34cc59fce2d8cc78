"""Records what OpenCV and Gymnasium make of pixels: `resize.json` and `breakout.json` beside this file.

Usage: python record.py, with ale-py 0.12.1, gymnasium 1.4.0 and opencv-python-headless 5.0.0.93. Pixels are row-major; those
of the game are runs, [length, value] each.
"""

import itertools
import json
from pathlib import Path

import ale_py
import cv2
import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

FOLDER = Path(__file__).parent
GAME = "ALE/Breakout-v5"
SEED, STEPS, SHOWN = 3, 400, (0, 5, 24, 150)


gymnasium.register_envs(ale_py)


def runs(picture):
    return [[len(list(run)), int(value)] for value, run in itertools.groupby(picture.ravel().tolist())]


def write(name, record):
    (FOLDER / name).write_text(json.dumps(record, separators=(",", ":")) + "\n")


def pattern(shape):
    """The picture whose i-th byte is i² / 7 modulo 256."""
    i = np.arange(np.prod(shape), dtype=np.int64)
    return (i * i // 7 % 256).astype(np.uint8).reshape(shape)


class FireStart(gymnasium.Wrapper):
    """Presses FIRE at the start and after each lost life."""

    def reset(self, **kwargs):
        self.env.reset(**kwargs)
        observation, _, _, _, info = self.env.step(1)
        self.lives = info["lives"]
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        lost = info["lives"] < self.lives and not (terminated or truncated)
        self.lives = info["lives"]
        if lost:
            observation, more, terminated, truncated, info = self.env.step(1)
            reward += more
        return observation, reward, terminated, truncated, info | {"lost": lost}


def resized():
    for shape, size in [((21, 16), (8, 7)), ((210, 160), (84, 84)), ((10, 9, 3), (4, 5)), ((6, 4), (3, 2)), ((5, 3), (5, 3))]:
        small = cv2.resize(pattern(shape), size[::-1], interpolation=cv2.INTER_AREA)
        yield {"shape": shape, "size": size, "shown": small.ravel().tolist()}


def played():
    env = gymnasium.make(GAME, frameskip=1, repeat_action_probability=0.0, obs_type="grayscale")
    env = AtariPreprocessing(env, noop_max=0, frame_skip=4, screen_size=84, terminal_on_life_loss=False)
    env = FrameStackObservation(FireStart(env), 4, padding_type="reset")
    actions = np.random.default_rng(SEED).integers(env.action_space.n, size=STEPS).tolist()
    record = {"seed": SEED, "actions": actions, "rewards": [], "lost": [], "shown": []}
    observation, _ = env.reset(seed=SEED)
    for t, action in enumerate(actions):
        if t in SHOWN:
            record["shown"].append([t, runs(observation)])
        observation, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            record["actions"] = actions[: t + 1]
        record["rewards"].append(float(reward))
        record["lost"].append(bool(info["lost"]))
        if terminated or truncated:
            break
    return record


write("resize.json", list(resized()))
write("breakout.json", played())
