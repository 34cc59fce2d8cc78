"""Gymnasium's CartPole-v1 with a third choice, no push, and without pushes outwards far from the middle.

The masked task of `cargo xtask peers`; masked_cartpole.c is the same in C.
"""

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv

REACH = 1.2  # beyond it a cart is not pushed further outwards


class MaskedCartPole(CartPoleEnv):
    def __init__(self, **params):
        super().__init__(**params)
        self.action_space = gymnasium.spaces.Discrete(3)

    def step(self, action):
        self.force_mag = 0.0 if action == 1 else 10.0
        return super().step(int(action == 2))

    def action_masks(self):
        position = self.state[0]
        return np.array([position > -REACH, True, position < REACH])

    def set_state(self, state):
        self.state = np.array(state)


gymnasium.register("MaskedCartPole-v0", MaskedCartPole, max_episode_steps=500)
