"""Rows: an environment each, and its memory, of which `mod.rs` has the layout.

A part of the program that `host.rs` starts: its files follow one another.
"""

import math
import mmap
import os


# Places in the memory of a row, and what stands there.
SEED, REWARD, COMMAND, EPISODE, INFORMS, NUMBER, LIVES, ACTION = 0, 4, 8, 9, 10, 11, 12, 16
REST, FAILED, STEP, RESET, RESET_SEEDED = 0, 1, 2, 3, 4
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2
UNCOUNTED = 2**32 - 1  # lives


class Memory:
    """The shared file, handed out in whole pages."""

    def __init__(self, file):
        self.file, self.size, self.returned = file, 0, {}

    def take(self, length):
        """The offset of a piece that nobody else has, and its length."""
        length = -(-length // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        if offsets := self.returned.get(length):
            return offsets.pop(), length
        offset, self.size = self.size, self.size + length
        os.ftruncate(self.file, self.size)
        return offset, length

    def give_back(self, offset, length):
        self.returned.setdefault(length, []).append(offset)


class Row:
    """An environment and its memory."""

    def __init__(self, env, memory, keys, drop, reward_weights):
        self.env, self.info = env, {}
        self.step, self.reset = env.step, env.reset
        if reward_weights is not None:
            self.step = weighted(env.step, reward_weights)
        observed = selected(env.observation_space, keys, drop)
        self.action, self.observation = action_summary(env.action_space), observation_summary(observed)
        width = action_width(env.action_space)
        self.observation_at = -(-(ACTION + 8 * width) // 64) * 64
        numbers = math.prod(self.observation["shape"])
        dtype = np.uint8 if self.observation["dtype"] == "U8" else np.float32
        self.offset, self.length = memory.take(self.observation_at + numbers * np.dtype(dtype).itemsize)
        region = mmap.mmap(memory.file, self.length, offset=self.offset)
        self.head = memoryview(region)[:ACTION]
        self.head[:] = bytes(ACTION)
        self.seed, self.reward = self.head[SEED : SEED + 4].cast("I"), self.head[REWARD : REWARD + 4].cast("f")
        self.lives = self.head[LIVES : LIVES + 4].cast("I")
        self.lives[0] = UNCOUNTED
        action_dtype = np.float32 if "box" in self.action else np.int64
        self.read_action = action_reader(env.action_space, np.frombuffer(region, action_dtype, width, ACTION))
        view = np.frombuffer(region, dtype, numbers, self.observation_at)
        self.write_observation = observation_writer(observed, env.observation_space, view)

    def obey(self):
        """Does what the memory says, if anything, and notes that it did."""
        head = self.head
        command = head[COMMAND]
        if command == STEP:
            observation, reward, terminated, truncated, self.info = self.step(self.read_action())
            try:
                self.reward[0] = reward
            except (TypeError, ValueError):
                several = "; the parameter `reward_weights` makes one of several: a weight for each" if np.ndim(reward) else ""
                raise TypeError(f"the reward is {shown(reward)}, where a number is needed{several}") from None
            head[EPISODE] = TERMINATED if terminated else TRUNCATED if truncated else RUNNING
        elif command > FAILED:
            observation, self.info = self.reset(seed=self.seed[0] if command == RESET_SEEDED else None)
        else:
            return
        self.write_observation(observation)
        if self.info:
            head[INFORMS] = 1
            try:
                self.lives[0] = self.info.get("lives", UNCOUNTED)
            except (AttributeError, TypeError, ValueError):
                self.lives[0] = UNCOUNTED
        elif head[INFORMS]:
            head[INFORMS] = 0
            self.lives[0] = UNCOUNTED
        head[COMMAND] = REST


def weighted(step, weights):
    """A `step` whose reward is the sum of a vector reward's elements, each times its weight."""
    weights = np.array(weights, np.float64)

    def weighted_step(action):
        observation, reward, *rest = step(action)
        if np.shape(reward) != weights.shape:
            raise ValueError(f"`reward_weights` has {weights.size} numbers for the reward {shown(reward)}")
        return observation, float(np.dot(weights, reward)), *rest

    return weighted_step
