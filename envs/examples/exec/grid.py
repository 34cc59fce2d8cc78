"""A walk on a grid from a corner to a goal: -0.1 for each step, 1 for arriving, truncated after 100 steps. The parameter `size` is 5
unless it is set.

The observation has the parts `position`, `goal` and `action_mask`: steps that leave the grid are illegal.

    phalanx envs check 'exec:python3 envs/examples/exec/grid.py'
    phalanx train envs/examples/exec/grid.yaml
"""

import random

from phalanx_client import RUNNING, TERMINATED, TRUNCATED, box, dict_of, discrete, multi_binary, multi_discrete, serve

STEPS = [(1, 0), (-1, 0), (0, 1), (0, -1)]


class Grid:
    def __init__(self, params):
        self.size = int(params.get("size", 5))
        if not 2 <= self.size <= 100:
            raise ValueError(f"size is {self.size}: it lies within 2 and 100")
        self.random = random.Random(0)
        self.observation_space = dict_of(
            position=box([2], 0, self.size - 1),
            goal=multi_discrete(self.size, self.size),
            action_mask=multi_binary(len(STEPS)),
        )
        self.action_space = discrete(len(STEPS))

    def reachable(self):
        """Where each step leads, and whether that is on the grid."""
        places = [(self.position[0] + x, self.position[1] + y) for x, y in STEPS]
        return places, [all(0 <= at < self.size for at in place) for place in places]

    def observe(self):
        return {"position": self.position, "goal": self.goal, "action_mask": self.reachable()[1]}

    def reset(self, seed):
        if seed is not None:
            self.random.seed(seed)
        self.position, self.steps = (0, 0), 0
        self.goal = divmod(self.random.randrange(1, self.size**2), self.size)
        return self.observe()

    def step(self, action):
        places, legal = self.reachable()
        if not legal[action[0]]:
            raise ValueError(f"step {action[0]} leaves the grid at {self.position}")
        self.position, self.steps = places[action[0]], self.steps + 1
        if self.position == self.goal:
            return self.observe(), 1, TERMINATED
        return self.observe(), -0.1, TRUNCATED if self.steps == 100 else RUNNING

    def call(self, name, arguments):
        if name != "info":
            raise NotImplementedError
        return {"arrived": self.position == self.goal}


serve(Grid)
