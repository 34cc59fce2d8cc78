"""What the scripts of all peers share: arguments, the clock and the one line of JSON at the end."""

import argparse
import json
import time
from importlib.metadata import version

WARM_UP = 1.0  # seconds: caches, lazy imports and the first growth of memory


def arguments(*more):
    """The arguments of every script, and `more` of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--rows", type=int, default=64, help="environments that are stepped together")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1, help="of one operation of torch")
    parser.add_argument("--steps", type=int, default=128, help="of every row between two updates")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--minibatches", type=int, default=4)
    for name in more:
        parser.add_argument(name, default=None)
    return parser.parse_args()


def random_actions(space, rows, count=256):
    """`count` batches of actions: drawing them is not what is measured."""
    import numpy as np

    generator = np.random.default_rng(1)
    if hasattr(space, "n"):
        return generator.integers(space.n, size=(count, rows), dtype=np.int32)
    return generator.uniform(space.low, space.high, size=(count, rows, *space.shape)).astype(np.float32)


class Clock:
    """Says when to stop, and how many steps a second whole iterations made after the warm-up."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.begun = time.perf_counter()
        self.started = None  # end of the warm-up, at the end of an iteration
        self.steps = 0

    def runs_on(self, steps):
        """Called after each iteration, with its environment steps."""
        now = time.perf_counter()
        if self.started is None:
            if now - self.begun >= WARM_UP:
                self.started = now
            return True
        self.steps += steps
        self.stopped = now
        return now - self.started < self.seconds

    def report(self, *packages):
        """Prints the rate and the versions of what was measured."""
        rate = self.steps / (self.stopped - self.started)
        versions = {package: version(package) for package in packages}
        print(json.dumps({"steps_per_second": rate, "versions": versions}), flush=True)
