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

    def __init__(self, env, memory, keys, drop, reward_weights, masked_as):
        self.env, self.info = env, {}
        self.step, self.reset = env.step, env.reset
        if reward_weights is not None:
            self.step = weighted(env.step, reward_weights)
        observed = selected(env.observation_space, keys, drop)
        self.mask_of = None if masked_as is None else mask_source(env, masked_as)
        shown = observed if self.mask_of is None else with_mask(observed, options(env.action_space))
        self.action, self.observation = action_summary(env.action_space), observation_summary(shown)
        self.starts = [starts(shown), starts(env.action_space)]
        chosen, numbers = action_widths(env.action_space)
        numbers_at = ACTION + 8 * chosen
        self.observation_at = -(-(numbers_at + 4 * numbers) // 64) * 64
        placed, width = fields(leaves(shown))
        self.offset, self.length = memory.take(self.observation_at + width)
        region = mmap.mmap(memory.file, self.length, offset=self.offset)
        self.head = memoryview(region)[:ACTION]
        self.head[:] = bytes(ACTION)
        self.seed, self.reward = self.head[SEED : SEED + 4].cast("I"), self.head[REWARD : REWARD + 4].cast("f")
        self.lives = self.head[LIVES : LIVES + 4].cast("I")
        self.lives[0] = UNCOUNTED

        def view(dtype, count, at):
            return np.frombuffer(region, np.uint8)[at : at + np.dtype(dtype).itemsize * count].view(dtype)

        of_choices, of_numbers = Views(view(np.int64, chosen, ACTION)), Views(view(np.float32, numbers, numbers_at))
        self.read_action = action_reader(env.action_space, of_choices, of_numbers)
        views = [view(dtype, count, self.observation_at + first) for dtype, count, first in placed]
        self.mask = views.pop() if self.mask_of else None
        self.write_observation = observation_writer(observed, env.observation_space, iter(views))

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
        if self.mask_of:
            write_mask(self.mask_of(self.info), self.mask)
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
