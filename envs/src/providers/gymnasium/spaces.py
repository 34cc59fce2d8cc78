"""Spaces of Gymnasium, taken apart.

A part of the program that `host.rs` starts: its files follow one another. `main.py` imports NumPy as `np` and Gymnasium's `spaces`.
"""

import math


def leaves(space):
    """The spaces that a Dict or Tuple is made of, in the order in which Gymnasium flattens them."""
    if isinstance(space, spaces.Dict):
        parts = space.spaces.values()
    elif isinstance(space, spaces.Tuple):
        parts = space.spaces
    else:
        return [space]
    return [leaf for part in parts for leaf in leaves(part)]


def choices(space):
    """How many choices each component of an action has; None when it is made of numbers."""
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiDiscrete):
        return space.nvec.ravel().tolist()
    if isinstance(space, spaces.MultiBinary):
        return [2] * math.prod(space.shape)
    if isinstance(space, spaces.Box):
        return None
    raise ValueError(f"{space} holds neither choices nor arrays of numbers, and nothing else is supported")


def starts(space):
    """The number of the first option of each choice, for each leaf."""
    return [np.ravel(leaf.start).tolist() if hasattr(leaf, "start") else [] for leaf in leaves(space)]


class Views:
    """Hands out one array in parts, one after the other."""

    def __init__(self, array):
        self.array, self.taken = array, 0

    def take(self, count):
        self.taken += count
        return self.array[self.taken - count : self.taken]


def summary(space, box):
    """The space for JSON; `box` gives the bounds and the dtype of a box."""
    if isinstance(space, spaces.Dict):
        return {"dict": [[str(key), summary(part, box)] for key, part in space.spaces.items()]}
    if isinstance(space, spaces.Tuple):
        return {"tuple": [summary(part, box) for part in space.spaces]}
    if isinstance(space, spaces.MultiBinary):
        return {"multi_binary": math.prod(space.shape)}
    counts = choices(space)
    if counts is None:
        return {"box": box_summary(space.shape, *box(space))}
    return {"discrete": counts[0]} if isinstance(space, spaces.Discrete) else {"multi_discrete": counts}


def rounded(bounds):
    """Bounds of a box as f32; those beyond its range are infinite."""
    with np.errstate(over="ignore"):
        return bounds.ravel().astype(np.float32)


def box_summary(shape, low, high, dtype):
    """A box for JSON: a bound that all elements share stands once, an infinite one is null."""

    def bound(numbers):
        finite = [number if math.isfinite(number) else None for number in numbers.tolist()]
        return finite[0] if len(set(finite)) == 1 else finite

    return {"shape": list(shape), "low": bound(low), "high": bound(high), "dtype": dtype}
