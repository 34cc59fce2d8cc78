"""Masks: which options of an action are legal, where an environment has them beside its observation.

A part of the program that `host.rs` starts: its files follow one another.
"""

import collections


# Whether the info has masks, by what an environment is made of.
IN_INFO = {}


def mask_source(env, made_of):
    """A function from the latest info to the mask: the method `action_masks`, or `action_mask` in the info. None where there is neither."""
    observed = env.observation_space
    if isinstance(observed, spaces.Dict) and "action_mask" in observed.spaces:
        return None  # it is a part of the observation
    if not any(choices(leaf) for leaf in leaves(env.action_space)):
        return None
    if env.has_wrapper_attr("action_masks"):
        masks = env.get_wrapper_attr("action_masks")
        return lambda info: masks()
    if made_of not in IN_INFO:
        IN_INFO[made_of] = has_mask(env)
    return mask_of_info if IN_INFO[made_of] else None


def has_mask(env):
    """Whether the info of a reset has a mask."""
    try:
        _, info = env.reset(seed=0)
    except BaseException:
        return False  # the first reset of an episode fails in the same way, and is reported
    return isinstance(info, dict) and "action_mask" in info


def mask_of_info(info):
    """The mask in this info."""
    if "action_mask" not in info:
        raise ValueError("the info has no `action_mask`, which that of a reset has; `masks: false` trains without masks")
    return info["action_mask"]


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
        raise ValueError(
            f"the action mask has {len(whole)} numbers, and the actions have {len(view)} options to choose from; "
            "`masks: false` trains without masks"
        )
    view[:] = whole != 0
    if whole.dtype != bool and (wrong := view != whole).any():
        option = int(np.argmax(wrong))
        raise ValueError(
            f"the action mask has {whole[option]} for option {option}, where 0 or False forbids an option and 1 or True allows it; "
            "`masks: false` trains without masks"
        )
