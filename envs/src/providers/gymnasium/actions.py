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
    return summary(space, lambda box: (*action_bounds(box), "F32"))


def action_bounds(box):
    """Bounds as f32: the inner ones, or both next to the only value of an element that is no f32."""
    low, high = inner_bounds(box)
    crossed = low > high
    empty = crossed & (box.low < box.high).ravel()
    if empty.any():
        i = int(np.argmax(empty))
        raise ValueError(
            f"an action is made of floats of 32 bits, none of which lies between {box.low.ravel()[i]} and {box.high.ravel()[i]}, the bounds "
            f"of its element {i}: have the environment take a wider range"
        )
    # Towards 0, so that the dtype of the box holds it.
    value = np.where(box.high.ravel() > 0, high, low)
    return np.where(crossed, value, low), np.where(crossed, value, high)


def inner_bounds(box):
    """Bounds as f32, rounded inwards: whatever lies between them lies in the box. Where no f32 does, the lower one is above the upper one."""
    low, high = rounded(box.low), rounded(box.high)
    # Python's numbers compare exactly; NumPy has the largest int64 equal to 2⁶³, which is its f32.
    is_below, is_above = exact(low) < exact(box.low), exact(high) > exact(box.high)
    low = np.where(is_below, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(is_above, np.nextafter(high, np.float32(-np.inf)), high)
    return low, high


def exact(bounds):
    """Numbers as Python's."""
    return bounds.ravel().astype(object)


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
    if not isinstance(space, spaces.Box):
        return lambda: view.astype(dtype)
    read = (lambda: np.rint(view).astype(dtype)) if dtype.kind in "biu" else lambda: view.astype(dtype)
    low, high = inner_bounds(space)
    # Only where an element has one value, and that no f32, is a number of the told bounds outside.
    return (lambda: np.clip(read(), space.low, space.high)) if (low > high).any() else read
