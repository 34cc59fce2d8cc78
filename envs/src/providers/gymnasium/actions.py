"""Actions: what Phalanx is told of their space, and how they are read.

A part of the program that `host.rs` starts: its files follow one another.
"""

import math


def action_width(space):
    """Numbers in an action."""
    return sum(math.prod(leaf.shape) if choices(leaf) is None else len(choices(leaf)) for leaf in leaves(space))


def action_summary(space):
    """The action space as ours."""
    if action_width(space) == 0:
        raise ValueError(f"{space} of the actions is empty")
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
