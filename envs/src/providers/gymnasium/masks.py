"""Masks: which options of an action are legal, where an environment tells beside its observation.

A part of the program that `host.rs` starts: its files follow one another.
"""

import collections


def mask_source(env):
    """A function from the latest info to the mask: the method `action_masks`, or `action_mask` in the info. None where there is neither."""
    observed = env.observation_space
    if isinstance(observed, spaces.Dict) and "action_mask" in observed.spaces:
        return None  # it is a part of the observation
    if not any(choices(leaf) for leaf in leaves(env.action_space)):
        return None
    if env.has_wrapper_attr("action_masks"):
        masks = env.get_wrapper_attr("action_masks")
        return lambda info: masks()
    _, info = env.reset(seed=0)
    return (lambda info: info["action_mask"]) if isinstance(info, dict) and "action_mask" in info else None


def options(space):
    """Options of all choices of an action."""
    return sum(sum(choices(leaf) or ()) for leaf in leaves(space))


def with_mask(space, count):
    """The space of an observation beside its mask."""
    return spaces.Dict(collections.OrderedDict(observation=space, action_mask=spaces.MultiBinary(count)))


def write_mask(mask, view):
    """Writes a mask, or the masks of several choices one after the other, into `view`."""
    whole = np.concatenate([np.ravel(part) for part in mask]) if isinstance(mask, (list, tuple)) else np.ravel(mask)
    if len(whole) != len(view):
        raise ValueError(f"the action mask has {len(whole)} numbers, and the actions have {len(view)} options to choose from")
    view[:] = whole != 0
