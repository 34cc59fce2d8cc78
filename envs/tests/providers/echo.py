"""Shows the action that was taken: choices, bits and numbers, in a Dict and a Tuple."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/exec"))

from phalanx_client import RUNNING, box, dict_of, discrete, multi_binary, multi_discrete, serve, tuple_of


class Echo:
    action_space = dict_of(gear=discrete(3), arm=tuple_of(box([2], -1, 1), multi_discrete(4, 5)), lights=multi_binary(2))
    observation_space = dict_of(
        gear=discrete(3), arm=tuple_of(box([2], -1, 1, element="d"), multi_discrete(4, 5)), lights=multi_binary(2), pixels=box([1, 2], element="B")
    )

    def __init__(self, params):
        pass

    def reset(self, seed):
        return {"gear": [0], "arm": [[0, 0], [0, 0]], "lights": [0, 0], "pixels": [0, 255]}

    def step(self, action):
        return {**action, "pixels": [1, 2]}, 0, RUNNING


serve(Echo)
