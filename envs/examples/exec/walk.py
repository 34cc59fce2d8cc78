"""A walk along a line: -0.1 for each step, 1 for arriving at `length`, truncated after 200 steps. The parameter `length` is 5
unless said.

    phalanx envs check 'exec:python3 envs/examples/exec/walk.py'

or, with one program for all rows, `python3 envs/examples/exec/walk.py 5555` and then

    phalanx envs check tcp:127.0.0.1:5555
"""

import random
import sys

from phalanx_client import RUNNING, TERMINATED, TRUNCATED, box, discrete, listen, serve


class Walk:
    def __init__(self, params):
        self.length = float(params.get("length", 5))
        if not 1 <= self.length <= 1000:
            raise ValueError(f"length is {self.length}: it lies within 1 and 1000")
        self.random = random.Random(0)
        self.observation_space = box([1], -self.length, self.length)
        self.action_space = discrete(2)

    def reset(self, seed):
        if seed is not None:
            self.random.seed(seed)
        self.position, self.steps = self.random.uniform(-self.length, 0), 0
        return [self.position]

    def step(self, action):
        self.steps += 1
        self.position = max(self.position + (1 if action[0] == 1 else -1), -self.length)
        if self.position >= self.length:
            self.position = self.length
            return [self.position], 1, TERMINATED
        return [self.position], -0.1, TRUNCATED if self.steps == 200 else RUNNING

    def call(self, name, arguments):
        if name == "units":
            return {"observation": "m"}
        if name != "info":
            raise NotImplementedError
        return {"arrived": self.position == self.length}

    def render(self):
        """A line of 64 pixels, four high, with a dot where it stands."""
        at = round((self.position / self.length + 1) / 2 * 63)
        return 64, 4, (b"\xff" * 3 * at + b"\x20" * 3 + b"\xff" * 3 * (63 - at)) * 4


if len(sys.argv) > 1:
    listen(Walk, int(sys.argv[1]))
else:
    serve(Walk)
