"""Environments for the tests: of every kind of space, with pixels, and with faults."""

import ctypes
import faulthandler
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings

import gymnasium
import numpy as np
from gymnasium import spaces

Discrete, MultiDiscrete, MultiBinary, Box = spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box


class Goal(spaces.Space):
    """A space of a package's own."""

    def sample(self, mask=None, probability=None):
        return "goal"

    def contains(self, x):
        return isinstance(x, str)


SPACES = {
    "box": Box(-2.0, 2.0, (2, 3), np.float64),
    "scalar": Box(-1.0, 1.0, (), np.float32),
    "integers": Box(-3, 3, (2,), np.int32),
    "tenth": Box(-0.1, 0.1, (2,), np.float64),
    "largest": Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (2,), np.int64),
    "unsigned": Box(0, np.iinfo(np.uint64).max, (1,), np.uint64),
    "large": Box(-(10**15) - 1, 10**15 + 1, (2,), np.int64),
    # No f32 is their only value.
    "single": Box(np.array([0.1, -1e300]), np.array([0.1, -1e300]), dtype=np.float64),
    "single_integer": Box(2**53 + 1, 2**53 + 1, (1,), np.int64),
    "narrow": Box(np.array([0.0, 0.1]), np.array([1.0, 0.1 + 1e-12]), dtype=np.float64),
    "far": Box(-1e300, 1e300, (2,), np.float64),
    "unbounded": Box(np.array([-np.inf, 0.0], np.float32), np.array([1.0, np.inf], np.float32)),
    "discrete": Discrete(4, start=-1),
    "multi_discrete": MultiDiscrete([2, 4], start=[1, -2]),
    "grid": MultiDiscrete([[2, 3], [4, 5]]),
    "multi_binary": MultiBinary([2, 2]),
    "dict": spaces.Dict({"b": Box(-1.0, 1.0, (2,)), "a": Discrete(3), "c": spaces.Tuple([MultiBinary(2), MultiDiscrete([2, 2])])}),
    "choices": spaces.Dict({"turn": Discrete(3, start=5), "more": spaces.Tuple([MultiBinary(2), MultiDiscrete([2, 3])])}),
    "boxes": spaces.Tuple([Box(-1.0, 1.0, (2,)), spaces.Dict({"x": Box(0.0, 5.0, (1,))})]),
    "mixed": spaces.Tuple([Box(-1.0, 1.0, (2,)), Discrete(2)]),
    "text": spaces.Text(5),
    "own": spaces.Dict({"b": Box(-1.0, 1.0, (2,)), "goal": Goal((), str)}),
    # As MiniGrid has it.
    "mission": spaces.Dict({"image": Box(0, 255, (2, 2), np.uint8), "direction": Discrete(4), "mission": spaces.Text(5)}),
    "bytes": Box(0, 255, (4,), np.uint8),
    "truths": Box(0, 1, (3,), bool),
    "empty": Box(-1.0, 1.0, (2, 0)),
    "part_empty": spaces.Dict({"a": Box(-1.0, 1.0, (2, 0)), "b": Box(-1.0, 1.0, (2,)), "c": spaces.Dict({})}),
    "huge": Discrete(10**9),
    "within": spaces.Tuple([spaces.Text(5), Box(-1.0, 1.0, (2,)), spaces.Dict({"graph": spaces.Graph(Box(0, 1, (1,)), None)})]),
}


class Kinds(gymnasium.Env):
    """Shows samples of one space, or always `value`, and takes actions of another."""

    def __init__(self, observation="box", action="discrete", reward=0.0, value=None, dtype=None):
        self.observation_space, self.action_space = SPACES[observation], SPACES[action]
        self.reward = np.array(reward)
        self.value = value if dtype is None else np.array(value, dtype)

    def sample(self):
        if self.value is not None:
            return self.value
        self.observation_space.seed(int(self.np_random.integers(1 << 31)))
        self.shown = self.observation_space.sample()
        return self.shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.sample(), {}

    def step(self, action):
        self.action = action
        return self.sample(), self.reward, False, False, {}

    def flattened(self):
        """What was shown last, as Gymnasium flattens it."""
        return spaces.flatten(self.observation_space, self.shown)

    def shown_at(self, *keys):
        """Parts of what was shown last, flattened one after another."""
        return np.concatenate([spaces.flatten(self.observation_space[key], self.shown[key]) for key in keys])

    def taken(self):
        """The last action as text, and whether it lies in its space."""
        return [repr(self.action), self.action_space.contains(self.action)]


class Masked(gymnasium.Env):
    """Of three options that with the number of the step is illegal; an episode has four steps. `source` is where the mask is, or that nothing else is observed.

    In place of 1 the mask has `legal`, which is NaN when it is None, from the second step on.
    """

    def __init__(self, source="method", options=3, legal=1):
        self.source, self.action_space = source, Discrete(options)
        self.legal = np.nan if legal is None else legal
        self.observation_space = Box(0.0, 4.0, (1,), np.float32)
        if source == "observation":
            self.observation_space = spaces.Dict({"action_mask": MultiBinary(3), "x": self.observation_space})
        if source == "mask alone":
            self.observation_space = spaces.Dict({"action_mask": MultiBinary(3)})
        if source == "method":
            self.action_masks = self.mask

    def mask(self):
        mask = np.arange(3) != self.t % 3
        return mask if self.legal == 1 or self.t < 2 else np.where(mask, self.legal, 0)

    def observe(self):
        x = np.array([self.t], np.float32)
        observation = {"action_mask": self.mask().astype(np.int8), "x": x}
        if self.source == "mask alone":
            del observation["x"]
        elif self.source != "observation":
            observation = x
        has_info = self.source == "info" or self.source == "first info" and self.t == 0
        return observation, {"action_mask": self.mask()} if has_info else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe()

    def step(self, action):
        assert self.mask()[action], "an illegal option"
        self.t += 1
        observation, info = self.observe()
        return observation, 1.0, self.t == 4, False, info


class Pixels(gymnasium.Env):
    """A random picture of bytes, which it also draws."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}
    observation_space, action_space = Box(0, 255, (5, 4, 3), np.uint8), Discrete(2)

    def __init__(self, render_mode=None, grey=False, fps=12):
        self.render_mode, self.grey = render_mode, grey
        self.metadata = {**self.metadata, "render_fps": fps}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.picture = self.np_random.integers(0, 256, (5, 4, 3), np.uint8)
        return self.picture, {}

    def step(self, action):
        self.picture = np.roll(self.picture, action, axis=1)
        ends = bool(self.np_random.random() < 0.1)
        return self.picture, float(self.picture[0, 0, 0]), ends, False, {}

    def render(self):
        return self.picture[:, :, 0] if self.grey else self.picture


class Painter(gymnasium.Env):
    """Its picture is a parameter; `fault` is what is wrong with an instance that is made to be drawn."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}
    observation_space, action_space = Box(-1, 1, (1,), np.float32), Discrete(2)

    def __init__(self, render_mode=None, picture=(((1, 2, 3),),), dtype="uint8", fault=""):
        if render_mode is not None and fault == "display":
            raise RuntimeError("cannot open display")
        self.render_mode, self.fault = render_mode, fault
        self.picture = picture if dtype in ("list", "text") else np.array(picture, dtype)

    def mode(self):
        return self.render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return self.np_random.uniform(-1, 1, 1).astype(np.float32), 1.0, bool(self.np_random.random() < 0.1), False, {}

    def render(self):
        if self.fault == "abort":
            os.abort()
        if self.fault == "raise":
            raise ValueError("no canvas")
        return self.picture


class Tiring(Painter):
    """Raises in its tenth step, counted over all episodes."""

    taken = 0

    def step(self, action):
        self.taken += 1
        if self.taken == 10:
            raise RuntimeError("the licence has run out")
        return super().step(action)


class Window(Painter):
    """Opens a window unless told not to."""

    def __init__(self, render_mode="human", **params):
        super().__init__(render_mode, **params)


class WindowOfParent(Window):
    """Has the keyword from its parent."""

    def __init__(self, **params):
        super().__init__(**params)


class Promise(Pixels):
    """Says that it draws, and does not."""

    render = gymnasium.Env.render


class Single(Pixels):
    """Only one of them can be made in a process."""

    made = False

    def __init__(self):
        if Single.made:
            raise RuntimeError("the engine runs already")
        Single.made = True
        super().__init__()


class OldPainter(Painter):
    """Names its render modes as before Gymnasium."""

    metadata = {"render.modes": ["rgb_array"]}


class Unaware(Pixels):
    """Says that it draws, and does not know of render modes."""

    def __init__(self):
        super().__init__()


class Hashed(Painter):
    """Its rewards are a hash of a text, which Python salts anew in each process."""

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, hash("reward") % 1000 / 1000, *rest


class Slow(Painter):
    """Takes its time: seconds to be made and for a step."""

    def __init__(self, making=0.0, stepping=0.0, **params):
        time.sleep(making)
        super().__init__(**params)
        self.stepping = stepping

    def step(self, action):
        time.sleep(self.stepping)
        return super().step(action)


def answer(pipe):
    pipe.send(6 * 7)


class Walk(gymnasium.Env):
    """A random walk that fails in the given phase, at the given step of the episode, in the given way; only if it can remove `once`.

    It adds the seeds of its episodes to the file `seeds`.
    """

    observation_space, action_space = Box(-np.inf, np.inf, (2,), np.float64), Discrete(3, start=-1)

    def __init__(self, fault="", phase="", at=0, once=None, seeds=None):
        self.fault, self.phase, self.at, self.once, self.seeds = fault, phase, at, once, seeds
        self.fail("new", 0)

    def fail(self, phase, step):
        if (phase, step) != (self.phase, self.at):
            return
        if self.once:
            try:
                os.remove(self.once)
            except FileNotFoundError:
                return
        if self.fault == "raise":
            raise ValueError("the wheel came off")
        if self.fault == "paragraphs":
            raise ValueError("the wheel\n  came off:\n\n  twice")
        if self.fault == "exit":
            sys.exit(3)
        if self.fault == "os_exit":
            os._exit(4)
        if self.fault == "abort":
            os.abort()
        if self.fault == "segfault":
            # What it prints is noise to the tests.
            faulthandler.disable()
            ctypes.string_at(0)
        while self.fault == "hang":
            pass

    def observation(self):
        return np.array([self.position, self.steps])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.fail("reset", 0)
        if self.seeds:
            with open(self.seeds, "a") as file:
                print(seed, file=file)
        self.position, self.steps = 0.1 * self.np_random.normal(), 0
        return self.observation(), {"seed": seed, "half \ud800": 0.5}

    def step(self, action):
        self.fail("step", self.steps)
        if self.fault == "print":
            print("a word on the standard output")
        if self.fault == "warn":
            warnings.warn("the wheel squeaks")
        self.position += action + 0.1 * self.np_random.normal()
        self.steps += 1
        info = {"steps": self.steps, "pair": np.array([self.position, np.nan]), "name": "walk", "picture": np.zeros((6, 20)), "near": abs(self.position) < 1}
        terminated = bool(abs(self.position) > 4)
        # Both at once: the end of the task counts.
        reward = None if self.fault == "no_reward" else -abs(self.position)
        return self.observation(), reward, terminated, terminated or self.steps == 30, info

    def import_elsewhere(self, name):
        """Imports a module from another folder than the one it was started in."""
        here = os.getcwd()
        os.chdir("/")
        try:
            return importlib.import_module(name).__name__
        finally:
            os.chdir(here)

    def ask_child(self, method):
        """What a child of multiprocessing computes, started in this way."""
        context = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        child = context.Process(target=answer, args=(theirs,))
        child.start()
        found = ours.recv() if ours.poll(60) else None
        child.join()
        return found

    def close(self):
        self.fail("close", self.at)

    def pid(self):
        return os.getpid()

    def start(self, session=False):
        """Starts a program that nobody ends, in a session of its own if asked to."""
        return subprocess.Popen(["sleep", "1000"], start_new_session=session).pid

    def end_orderly(self):
        """Asks a program and a forked process to end, and waits for both; how they ended."""
        program = subprocess.Popen(["sleep", "1000"])
        program.terminate()
        forked = multiprocessing.get_context("fork").Process(target=signal.pause)
        forked.start()
        forked.terminate()
        forked.join()
        return [program.wait(), forked.exitcode]

    def shift(self, by, scale=1.0):
        self.position += by * scale
        return self.position


def pixels(**params):
    """As environments are made that have wrappers of their own."""
    return gymnasium.wrappers.RecordEpisodeStatistics(Pixels(**params))


def walk():
    """One that takes no parameters."""
    return Walk()


gymnasium.register("PixelsOfFunction-v0", pixels)
gymnasium.register("WalkOfFunction-v0", walk)
gymnasium.register("WindowOfRegistration-v0", Painter, kwargs={"render_mode": "human"})
for environment in (Hashed, Kinds, Masked, OldPainter, Painter, Pixels, Promise, Single, Slow, Tiring, Unaware, Walk, Window, WindowOfParent):
    gymnasium.register(f"{environment.__name__}-v0", environment)
for number, modes in enumerate([None, "rgb_array", ("human", "rgb_array"), {"rgb_array"}, 3, [None, 4], np.array(["rgb_array", "ansi"])]):
    painter = type(f"Modes{number}", (Painter,), {"metadata": {"render_modes": modes, "render_fps": 12}})
    gymnasium.register(f"Modes{number}-v0", painter)
