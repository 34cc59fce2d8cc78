"""Environments, made by Gymnasium: with which render mode, and what of it can be drawn.

A part of the program that `host.rs` starts: its files follow one another.
"""

import importlib
import inspect
import math
from collections.abc import Iterable

# Modules that register a namespace which Gymnasium itself does not know.
REGISTERED_BY = {"ALE": "ale_py"}


def make(name, params, drawn):
    """The environment. Unless a render mode is given, one to be drawn has `rgb_array` if it can, and another one opens no window."""
    env = make_with_mode(name, params, drawn)
    metadata = env.unwrapped.metadata
    if drawn and isinstance(metadata, dict) and metadata.get("render_fps") is not None:
        # Gymnasium's checks refuse to draw an environment whose pictures a second are not a positive number.
        env.unwrapped.metadata = {**metadata, "render_fps": frames_per_second(metadata)}
    return env


def make_with_mode(name, params, drawn):
    module = name.rpartition(":")[0] or REGISTERED_BY.get(name.split("/")[0])
    if module:
        importlib.import_module(module)
    if "render_mode" in params:
        return gymnasium.make(name, **params)
    spec = gymnasium.registry.get(name.rpartition(":")[2])
    creator = spec and spec.entry_point
    if isinstance(creator, str):
        creator = gymnasium.envs.registration.load_env_creator(creator)
    usual = spec.kwargs.get("render_mode", usual_render_mode(creator)) if spec else None
    if drawn and (not hasattr(creator, "metadata") or "rgb_array" in render_modes(creator.metadata)):
        try:
            return gymnasium.make(name, render_mode="rgb_array", **params)
        except TypeError:
            pass  # what makes it may not know of render modes
    elif usual == "human":
        params = {"render_mode": None, **params}
    return gymnasium.make(name, **params)


def usual_render_mode(creator):
    """The render mode of an environment that is made without one; None where that is not known or its constructor takes none."""
    makers = [creator]
    if isinstance(creator, type):
        makers = [vars(part)["__init__"] for part in creator.__mro__ if "__init__" in vars(part)]
    for maker in makers:
        try:
            parameters = inspect.signature(maker).parameters
        except (TypeError, ValueError):
            return None
        if "render_mode" in parameters:
            return parameters["render_mode"].default
        # What it does not name itself may go on to the next class.
        if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
            return None
    return None


def render_modes(metadata):
    """The names of render modes in the metadata, under the key of today or that of before Gymnasium; whatever else stands there is none."""
    names = []
    for key in ("render_modes", "render.modes"):
        modes = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(modes, str):
            names.append(modes)
        elif isinstance(modes, Iterable):
            names += [mode for mode in modes if isinstance(mode, str)]
    return names


def why_undrawn(env):
    """Why this environment never draws; None when it may."""
    if env.render_mode in ("rgb_array", "rgb_array_list"):
        return None
    if "rgb_array" in render_modes(env.metadata):
        needed = "" if env.render_mode else "; its constructor has to take this keyword, and keep it as an attribute"
        return f'its `render_mode` is {env.render_mode!r}, where "rgb_array" is needed{needed}'
    return f'metadata["render_modes"] of its class does not have "rgb_array": it has {render_modes(env.metadata)}'


def frames_per_second(metadata):
    """`render_fps` of the metadata; 30 unless it is a number of pictures."""
    try:
        number = float(metadata["render_fps"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return 30.0
    return number if math.isfinite(number) and number > 0 else 30.0
