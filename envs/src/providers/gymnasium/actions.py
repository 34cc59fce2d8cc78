"""Actions: what Phalanx is told of their space, and how they are read.

A part of the program that `host.rs` starts: its files follow one another.
"""

import math


def action_widths(space):
    """Choices and numbers in an action."""
    counts = [choices(leaf) for leaf in leaves(space)]
    numbers = sum(math.prod(leaf.shape) for leaf, count in zip(leaves(space), counts) if count is None)
    return sum(len(count) for count in counts if count is not None), numbers


def action_summary(space):
    """The action space as ours."""
    if sum(action_widths(space)) == 0:
        raise ValueError(f"{space} of the actions is empty")
    return summary(space, lambda box: (*inner_bounds(box), "F32"))


def inner_bounds(box):
    """Bounds as f32, rounded inwards: whatever lies between them lies in the box."""
    low, high = box.low.ravel().astype(np.float32), box.high.ravel().astype(np.float32)
    low = np.where(low < box.low.ravel(), np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > box.high.ravel(), np.nextafter(high, np.float32(-np.inf)), high)
    return low, high


def action_reader(space, chosen, numbers):
    """A function that makes an action of the next parts of both views; it shares no memory with them."""
    if isinstance(space, spaces.Dict):
        parts = [(key, action_reader(part, chosen, numbers)) for key, part in space.spaces.items()]
        return lambda: {key: read() for key, read in parts}
    if isinstance(space, spaces.Tuple):
        parts = [action_reader(part, chosen, numbers) for part in space.spaces]
        return lambda: tuple(read() for read in parts)
    counts = choices(space)
    view = numbers.take(math.prod(space.shape)) if counts is None else chosen.take(len(counts))
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
