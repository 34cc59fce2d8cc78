"""Spaces of Gymnasium: what Phalanx is told of them, and how actions come in and observations go out.

A part of the program, after `notes.py`; `worker.py` imports NumPy as `np` and Gymnasium's `spaces`, and makes `notes`, before it calls
this.
"""

import collections
import math

# Spaces whose elements are no arrays of a fixed size.
UNSUPPORTED = {"Text", "Graph", "Sequence", "OneOf"}


def selected(space, keys, drop):
    """An observation space without the parts that are left out: all but `keys`, those in `drop`, and those that are no arrays."""
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
    space = supported(space, "", dropped)
    if dropped:
        notes.print(f"observations are used without {', '.join(dropped)}; `drop` leaves out keys without this note")
    return space


def supported(space, path, dropped):
    """The space without parts that are no arrays, whose paths are added to `dropped`; None when nothing is left of it."""
    if type(space).__name__ in UNSUPPORTED and path:
        dropped.append(f"{path} ({type(space).__name__})")
        return None
    if not isinstance(space, (spaces.Dict, spaces.Tuple)):
        return space
    items = list(space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces))
    parts = [(key, supported(part, f"{path}.{key}" if path else str(key), dropped)) for key, part in items]
    if all(part is known for (_, part), (_, known) in zip(parts, items)):
        return space
    kept = [(key, part) for key, part in parts if part is not None]
    if not kept and not path:
        raise ValueError(f"nothing of the observations {space} is an array or a choice")
    # A Tuple's parts keep their numbers.
    return spaces.Dict(collections.OrderedDict(kept)) if kept else None


def weighted(step, weights):
    """A `step` whose reward is the sum of a vector reward's elements, each times its weight."""
    weights = np.array(weights, np.float64)

    def weighted_step(action):
        observation, reward, *rest = step(action)
        if np.shape(reward) != weights.shape:
            raise ValueError(f"`reward_weights` has {weights.size} numbers for the reward {shown(reward)}")
        return observation, float(np.dot(weights, reward)), *rest

    return weighted_step


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


def action_width(space):
    """Numbers in an action."""
    return sum(math.prod(leaf.shape) if choices(leaf) is None else len(choices(leaf)) for leaf in leaves(space))


def action_summary(space):
    """The action space as ours."""
    counts = [choices(leaf) for leaf in leaves(space)]
    if isinstance(space, spaces.Discrete):
        return {"discrete": counts[0][0]}
    if all(count is None for count in counts):
        low, high = (np.concatenate(bounds) for bounds in zip(*(inner_bounds(leaf) for leaf in leaves(space))))
        shape = space.shape if isinstance(space, spaces.Box) else low.shape
        return {"box": box_summary(shape, low, high, "F32")}
    if any(count is None for count in counts):
        raise ValueError(f"{space} asks for choices and numbers at once: wrap it into one that asks for either")
    return {"multi_discrete": sum(counts, [])}


def inner_bounds(box):
    """Bounds as f32, rounded inwards: whatever lies between them lies in the box."""
    low, high = box.low.ravel().astype(np.float32), box.high.ravel().astype(np.float32)
    low = np.where(low < box.low.ravel(), np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > box.high.ravel(), np.nextafter(high, np.float32(-np.inf)), high)
    return low, high


def observation_width(leaf):
    """Numbers in an observation; choices are one-hot."""
    if isinstance(leaf, (spaces.Discrete, spaces.MultiDiscrete)):
        return sum(choices(leaf))
    return math.prod(leaf.shape)


def observation_summary(space):
    """The observation space as one box."""
    low, high = [], []
    for leaf in leaves(space):
        if choices(leaf) is None:
            low.append(leaf.low.ravel().astype(np.float32))
            high.append(leaf.high.ravel().astype(np.float32))
        else:
            low.append(np.zeros(observation_width(leaf), np.float32))
            high.append(np.ones(observation_width(leaf), np.float32))
    low, high = np.concatenate(low), np.concatenate(high)
    shape = space.shape if isinstance(space, (spaces.Box, spaces.MultiBinary)) else low.shape
    pixels = isinstance(space, spaces.Box) and space.dtype == np.uint8
    return box_summary(shape, low, high, "U8" if pixels else "F32")


def box_summary(shape, low, high, dtype):
    """A box for JSON: a bound that all elements share stands once, an infinite one is null."""

    def bound(numbers):
        finite = [number if math.isfinite(number) else None for number in numbers.tolist()]
        return finite[0] if len(set(finite)) == 1 else finite

    return {"shape": list(shape), "low": bound(low), "high": bound(high), "dtype": dtype}


def cut(space, view, width):
    """The parts of a Dict or Tuple, each with its key, its space and its slice of `view`."""
    keyed = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
    start = 0
    for key, part in keyed:
        end = start + sum(width(leaf) for leaf in leaves(part))
        yield key, part, view[start:end]
        start = end


def action_reader(space, view):
    """A function that makes an action of the numbers in `view`; it shares no memory with them."""
    if isinstance(space, spaces.Dict):
        parts = [(key, action_reader(part, slice)) for key, part, slice in cut(space, view, action_width)]
        return lambda: {key: read() for key, read in parts}
    if isinstance(space, spaces.Tuple):
        parts = [action_reader(part, slice) for _, part, slice in cut(space, view, action_width)]
        return lambda: tuple(read() for read in parts)
    if isinstance(space, spaces.Discrete):
        # A number of numpy's, as the space's own samples are: Gymnasium checks it faster than one of Python's.
        start = space.start
        return (lambda: view[0] + start) if start else (lambda: view[0])
    view, dtype = view.reshape(space.shape), space.dtype
    if isinstance(space, spaces.MultiDiscrete):
        start = space.start
        return lambda: (view + start).astype(dtype)
    if isinstance(space, spaces.Box) and dtype.kind in "biu":
        return lambda: np.rint(view).astype(dtype)
    return lambda: view.astype(dtype)


def observation_writer(space, view):
    """A function that writes an observation into `view`."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        cuts = cut(space, view, observation_width)
        parts = [(key, observation_writer(part, slice)) for key, part, slice in cuts]

        def write(observation):
            for key, write_part in parts:
                write_part(observation[key])

    elif isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        counts = choices(space)
        firsts = [sum(counts[:i]) for i in range(len(counts))]
        starts = np.ravel(space.start).tolist()

        def write(observation):
            view.fill(0)
            for chosen, start, count, first in zip(np.ravel(observation).tolist(), starts, counts, firsts):
                if not 0 <= chosen - start < count:
                    raise ValueError(f"the observation {observation} lies outside {space}")
                view[first + chosen - start] = 1

    else:
        return array_writer(view.reshape(space.shape), space.dtype)
    return write


def array_writer(view, dtype):
    """A function that writes an array, usually of this dtype, into `view`."""

    def write(observation):
        # An array of another shape might be repeated until it fits. The first look is the cheap one.
        if getattr(observation, "shape", None) != shape and np.shape(observation) != shape:
            raise ValueError(f"an observation of shape {np.shape(observation)}, where the space has {shape}")
        view[...] = observation

    def write_same(observation):
        try:
            # Refuses another shape or dtype by itself.
            memory[:] = observation
            return
        except (TypeError, ValueError):
            pass
        write(observation)

    memory, shape = memoryview(view), view.shape
    return write_same if view.ndim == 1 and view.dtype == dtype else write
