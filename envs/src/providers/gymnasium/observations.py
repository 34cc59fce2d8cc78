"""Observations: which parts are used, what Phalanx is told of their space, and how they are written.

A part of the program that `host.rs` starts: its files follow one another.
"""

import collections
import math
from collections.abc import Mapping, Sequence


# Choices that a part may have: each becomes a number of its own.
MOST_CHOICES = 1 << 20


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
    if isinstance(space, (spaces.Dict, spaces.Tuple, spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        if not is_empty(space):
            return space
        unusable = "empty"
    else:
        unusable = type(space).__name__  # Text, Graph and others, whose elements are no arrays of a fixed size
    dropped.append(f"{path} ({unusable})")
    return None


def is_empty(space):
    """Whether its elements hold nothing: a Dict without keys, an array with a side of 0."""
    return not space.spaces if isinstance(space, (spaces.Dict, spaces.Tuple)) else 0 in (space.shape or ())


def observation_summary(space):
    """The observation space as ours; of a single part it is that of the part."""
    for leaf in leaves(space):
        count = sum(choices(leaf) or ())
        if count > MOST_CHOICES and not isinstance(leaf, spaces.MultiBinary):
            raise ValueError(
                f"{leaf} among the observations has {count} choices, each of which would be a number of its own, and at most "
                f"{MOST_CHOICES} are supported: return its choice as numbers of a Box, or leave it out with `keys` or `drop`"
            )
    parts = leaves(space)
    # A mask is none without its name.
    is_mask = isinstance(space, spaces.Dict) and "action_mask" in space.spaces
    return summary(parts[0] if len(parts) == 1 and not is_mask else space, observation_box)


def observation_box(box):
    """Bounds and dtype of a box among the observations."""
    dtype = {"uint8": "U8", "float64": "F64"}.get(box.dtype.name, "F32")
    low, high = rounded(box.low), rounded(box.high)
    if (np.isfinite(box.low.ravel()) > np.isfinite(low)).any() or (np.isfinite(box.high.ravel()) > np.isfinite(high)).any():
        notes.print(f"bounds of observations beyond 3.4e38, the largest float of 32 bits, count as none: {box}")
    return low, high, dtype


def field_dtype(leaf):
    """What the numbers of a part are stored as: choices as their index in f32, bits as bytes."""
    if isinstance(leaf, spaces.MultiBinary):
        return np.dtype(np.uint8)
    return leaf.dtype if isinstance(leaf, spaces.Box) and leaf.dtype in (np.uint8, np.float64) else np.dtype(np.float32)


def fields(parts):
    """Dtype, numbers and first byte of each part in a row, and the bytes of all: each begins at a multiple of eight."""
    placed, end = [], 0
    for leaf in parts:
        dtype, count = field_dtype(leaf), len(choices(leaf) or ()) or math.prod(leaf.shape)
        placed.append((dtype, count, end))
        end = -(-(end + dtype.itemsize * count) // 8) * 8
    return placed, end


def observation_writer(space, whole, views, path="observation"):
    """A function that writes an observation into the next of `views`, one for each part. `whole` is the space before parts of it were left out."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return parts_writer(space, whole, views, path)
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        return choice_writer(space, next(views), path)
    if isinstance(space, spaces.MultiBinary):
        return bits_writer(space, next(views).reshape(space.shape), path)
    return array_writer(next(views).reshape(space.shape), space.dtype, path)


def parts_writer(space, whole, views, path):
    """A function that writes the parts of a Dict or Tuple, one after another."""
    kind, usual = (Mapping, dict) if isinstance(whole, spaces.Dict) else (Sequence, tuple)
    known = list(whole.spaces) if kind is Mapping else range(len(whole.spaces))
    count = len(known)
    items = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
    parts = [(key, observation_writer(part, whole[key], views, f"{path}[{key!r}]")) for key, part in items]

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


def choice_writer(space, view, path):
    """A function that writes each choice as its index from 0."""
    counts = choices(space)
    starts = np.ravel(space.start).tolist()

    def write(observation):
        chosen = np.ravel(observation).tolist()
        if len(chosen) != len(counts):
            raise ValueError(f"{path} is {shown(observation)}, which lies outside {space}")
        for i, (number, start, count) in enumerate(zip(chosen, starts, counts)):
            if type(number) is float and number.is_integer():
                number = int(number)
            if not isinstance(number, int) or not 0 <= number - start < count:
                raise ValueError(f"{path} is {shown(observation)}, which lies outside {space}")
            view[i] = number - start

    return write


def bits_writer(space, view, path):
    """A function that writes an array of bits."""
    write_array = array_writer(view, space.dtype, path)

    def write(observation):
        write_array(observation)
        if view.max() > 1:
            element = np.argwhere(view > 1)[0].tolist()
            raise ValueError(f"{path}{element} is {np.asarray(observation)[tuple(element)]}, which lies outside {space}: a bit is 0 or 1")

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
