"""Observations: which parts are used, what Phalanx is told of their space, and how they are written.

A part of the program that `host.rs` starts: its files follow one another.
"""

import collections
import math
from collections.abc import Mapping, Sequence


# Spaces whose elements are no arrays of a fixed size.
UNSUPPORTED = {"Text", "Graph", "Sequence", "OneOf"}
# Numbers that the choices of a part may become.
ONE_HOT_MOST = 1 << 20


def selected(space, keys, drop):
    """An observation space without the parts that are left out: all but `keys`, those in `drop`, those that are no arrays or empty."""
    if keys is not None or drop:
        if not isinstance(space, spaces.Dict):
            raise ValueError(f"`keys` and `drop` choose among the keys of a Dict, and the observations are {space}")
        for parameter, named in (("keys", keys), ("drop", drop)):
            for key in named or ():
                if key not in space.spaces:
                    raise ValueError(f"`{parameter}` names {key!r}, and the keys of the observation are {list(space.spaces)}")
        kept = {key: part for key, part in space.spaces.items() if (keys is None or key in keys) and key not in drop}
        space = spaces.Dict(collections.OrderedDict(kept))
    dropped = []
    usable = supported(space, "", dropped)
    if usable is None:
        raise ValueError(f"the observations {space} hold neither choices nor arrays of numbers, and nothing else is supported")
    if dropped:
        notes.print(f"observations are used without {', '.join(dropped)}; `drop` leaves out keys without this note")
    return usable


def supported(space, path, dropped):
    """The space without parts that are no arrays or empty, whose paths are added to `dropped`; None when nothing is left of it."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)) and len(space.spaces) > 0:
        items = list(space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces))
        parts = [(key, supported(part, f"{path}.{key}" if path else str(key), dropped)) for key, part in items]
        if all(part is known for (_, part), (_, known) in zip(parts, items)):
            return space
        kept = [(key, part) for key, part in parts if part is not None]
        # A Tuple's parts keep their numbers.
        return spaces.Dict(collections.OrderedDict(kept)) if kept else None
    unusable = type(space).__name__ if type(space).__name__ in UNSUPPORTED else "empty" if is_empty(space) else None
    if unusable is None:
        return space
    dropped.append(f"{path} ({unusable})")
    return None


def is_empty(space):
    """Whether its elements hold nothing: a Dict without keys, an array with a side of 0."""
    return not space.spaces if isinstance(space, (spaces.Dict, spaces.Tuple)) else 0 in (space.shape or ())


def observation_width(leaf):
    """Numbers in an observation; choices are one-hot."""
    if isinstance(leaf, (spaces.Discrete, spaces.MultiDiscrete)):
        return sum(choices(leaf))
    return math.prod(leaf.shape)


def observation_summary(space):
    """The observation space as one box; that of a single box stays as it is."""
    low, high = [], []
    for leaf in leaves(space):
        if choices(leaf) is None:
            low.append(leaf.low.ravel().astype(np.float32))
            high.append(leaf.high.ravel().astype(np.float32))
        else:
            width = observation_width(leaf)
            if width > ONE_HOT_MOST:
                raise ValueError(
                    f"{leaf} among the observations has {width} choices, each of which would be a number of its own, and at most "
                    f"{ONE_HOT_MOST} are supported: return its choice as numbers of a Box, or leave it out with `keys` or `drop`"
                )
            low.append(np.zeros(width, np.float32))
            high.append(np.ones(width, np.float32))
    sole = leaf if len(low) == 1 else None
    low, high = np.concatenate(low), np.concatenate(high)
    shape = sole.shape if isinstance(sole, (spaces.Box, spaces.MultiBinary)) else low.shape
    pixels = isinstance(sole, spaces.Box) and sole.dtype == np.uint8
    return box_summary(shape, low, high, "U8" if pixels else "F32")


def observation_writer(space, whole, view, path="observation"):
    """A function that writes an observation into `view`. `whole` is the space before parts of it were left out."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return parts_writer(space, whole, view, path)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        return one_hot_writer(space, view, path)
    return array_writer(view.reshape(space.shape), space.dtype, path)


def parts_writer(space, whole, view, path):
    """A function that writes the parts of a Dict or Tuple, one after another."""
    kind, usual = (Mapping, dict) if isinstance(whole, spaces.Dict) else (Sequence, tuple)
    known = list(whole.spaces) if kind is Mapping else range(len(whole.spaces))
    count = len(known)
    parts = [
        (key, observation_writer(part, whole[key], slice, f"{path}[{key!r}]"))
        for key, part, slice in cut(space, view, observation_width)
    ]

    def check(observation):
        if not isinstance(observation, (kind, np.ndarray)):
            raise TypeError(f"{path} is {shown(observation)}, where the space has the parts {list(known)}")
        keys = observation if kind is Mapping else range(len(observation))
        for key, _ in parts:
            if key not in keys:
                raise ValueError(f"{path} has no {key!r}, which is in its space")
        for key in keys:
            if key not in known:
                raise ValueError(f"{path} has {key!r}, which is not in its space: that has {list(known)}")

    def write(observation):
        # The first look is the cheap one.
        if type(observation) is not usual or len(observation) != count:
            check(observation)
        for key, write_part in parts:
            try:
                part = observation[key]
            except LookupError:
                check(observation)
                raise
            write_part(part)

    return write


def one_hot_writer(space, view, path):
    """A function that writes each choice as a 1 among zeros."""
    counts = choices(space)
    firsts = [sum(counts[:i]) for i in range(len(counts))]
    starts = np.ravel(space.start).tolist()

    def write(observation):
        view.fill(0)
        chosen = np.ravel(observation).tolist()
        if len(chosen) != len(counts):
            raise ValueError(f"{path} is {shown(observation)}, which lies outside {space}")
        for number, start, count, first in zip(chosen, starts, counts, firsts):
            if type(number) is float and number.is_integer():
                number = int(number)
            if not isinstance(number, int) or not 0 <= number - start < count:
                raise ValueError(f"{path} is {shown(observation)}, which lies outside {space}")
            view[first + number - start] = 1

    return write


def array_writer(view, dtype, path):
    """A function that writes an array, usually of this dtype, into `view`."""

    def write(observation):
        # An array of another shape might be repeated until it fits. The first look is the cheap one.
        if getattr(observation, "shape", None) != shape and np.shape(observation) != shape:
            raise ValueError(f"{path} is {shown(observation)}, where the space has the shape {shape}")
        if whole_numbers and (given := getattr(observation, "dtype", None)) is not dtype and given != dtype:
            observation = fitting(observation, dtype, path)
        view[...] = observation

    def write_same(observation):
        try:
            # Refuses another shape or dtype by itself.
            memory[:] = observation
            return
        except (TypeError, ValueError):
            pass
        write(observation)

    memory, shape, whole_numbers = memoryview(view), view.shape, dtype.kind in "biu"
    return write_same if view.ndim == 1 and view.dtype == dtype else write


def fitting(observation, dtype, path):
    """The array in a dtype of whole numbers; a value that it cannot hold is refused by name."""
    given = np.asarray(observation)
    if np.can_cast(given.dtype, dtype):
        return given
    if given.dtype.kind not in "biuf":
        raise TypeError(f"{path} is {shown(observation)}, where the space has numbers of {dtype}")
    with np.errstate(invalid="ignore"):
        whole = given.astype(dtype)
    wrong = whole != given
    if np.any(wrong):
        element = np.argwhere(wrong)[0].tolist()
        first, last = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        raise ValueError(
            f"{path}{element or ''} is {given[tuple(element)]}, and {dtype}, the dtype of its space, holds whole numbers from {first} to {last}"
        )
    return whole
