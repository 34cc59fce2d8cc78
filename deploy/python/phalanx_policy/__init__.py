"""Policy files of Phalanx in Python: ctypes over libphalanx_policy, and numpy.

    policy = Policy("policy.phx")
    action = policy.act(observation)         # one observation, or a batch of them with an axis more

An observation is an array, or a dict or tuple of them as the environment's; nested ones, too. An action has the environment's form: a number for a
Discrete space, an array for others, a dict or tuple of these for Dict and Tuple spaces. docs/deploy.md has more.
"""
import ctypes
import ctypes.util
import json
import os

import numpy as np

__all__ = ["Policy", "PolicyError"]


class PolicyError(Exception):
    """A failure, with the library's message."""


def _library():
    path = os.environ.get("PHALANX_POLICY_LIBRARY") or ctypes.util.find_library("phalanx_policy")
    if path is None:
        raise PolicyError(
            "there is no libphalanx_policy: build it by `cargo build --release --package phalanx-capi`, and set "
            "PHALANX_POLICY_LIBRARY to its path, or install it where the system finds libraries"
        )
    library = ctypes.CDLL(path)
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in [
        ("open", pointer, [text]),
        ("close", None, [pointer]),
        ("error", text, []),
        ("description", text, [pointer]),
        ("action_len", size, [pointer]),
        ("set_rows", ctypes.c_int32, [pointer, size]),
        ("reset", ctypes.c_int32, [pointer, size]),
        ("act", ctypes.c_int32, [pointer, size, pointer, pointer]),
        ("selftest", ctypes.c_int32, [pointer]),
    ]:
        function = getattr(library, f"phalanx_policy_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Policy:
    """A policy file that acts. It belongs to one thread at a time."""

    def __init__(self, path):
        self._handle = None
        self._library = _library()
        self._handle = self._library.phalanx_policy_open(os.fsencode(path))
        if not self._handle:
            raise PolicyError(self._message())
        self.description = json.loads(self._library.phalanx_policy_description(self._handle))
        self._rows = 1

    def __del__(self):
        if self._handle:
            self._library.phalanx_policy_close(self._handle)

    def act(self, observation):
        """The action for an observation, or one for each of a batch of observations."""
        fields = self.description["observation"]
        names = ", ".join(field["name"] for field in fields)
        try:
            parts = [_part(observation, field["name"].split(".")[1:]) for field in fields]
        except (KeyError, IndexError, ValueError, TypeError):
            raise PolicyError(f"this policy reads {names}, and the observation does not have all of these parts") from None
        arrays = [np.asarray(part) for part in parts]
        own = [tuple(field["shape"]) for field in fields]
        is_batch = arrays[0].ndim == len(own[0]) + 1
        rows = len(arrays[0]) if is_batch else 1
        given = []
        for array, shape, field in zip(arrays, own, fields):
            wanted = (rows, *shape) if is_batch else shape
            if array.shape != wanted:
                raise PolicyError(f"{field['name']} has shape {array.shape}, and this policy reads {wanted}")
            is_bytes = field["dtype"] == "u8"
            if is_bytes and array.dtype.kind == "f":
                raise PolicyError(f"{field['name']} is made of {array.dtype}, and this policy reads bytes")
            given.append(np.ascontiguousarray(array, np.uint8 if is_bytes else np.float32))
        if rows > self._rows:
            # All rows begin an episode.
            self._check(self._library.phalanx_policy_set_rows(self._handle, rows))
            self._rows = rows
        numbers = self._library.phalanx_policy_action_len(self._handle)
        action = np.empty((rows, numbers), np.float32)
        inputs = (ctypes.c_void_p * len(given))(*[array.ctypes.data for array in given])
        self._check(self._library.phalanx_policy_act(self._handle, rows, inputs, action.ctypes.data))
        return self._action(action if is_batch else action[0])

    def reset(self, row=None):
        """Begins an episode in a row, or in all."""
        for row in range(self._rows) if row is None else [row]:
            self._check(self._library.phalanx_policy_reset(self._handle, row))

    def selftest(self):
        """Takes the actions that were recorded in the file again."""
        self._check(self._library.phalanx_policy_selftest(self._handle))

    def _action(self, numbers):
        """The numbers `[..., A]` in the form of the environment's actions."""
        at, whole = 0, {}
        for field in self.description["action"]:
            options, shape = field["options"], field["shape"]
            length = len(options) if options else int(np.prod(shape, dtype=int))
            part = numbers[..., at : at + length]
            at += length
            if options:
                part = part.astype(np.int64)
                # A Discrete space has no axis, and its option is a whole number.
                part = part if shape else part[..., 0]
                part = int(part) if part.ndim == 0 else part
            else:
                part = part.reshape(*numbers.shape[:-1], *shape)
            _put(whole, field["name"].split(".")[1:], part)
        return _form(whole)

    def _check(self, code):
        if code != 0:
            raise PolicyError(self._message())

    def _message(self):
        return self._library.phalanx_policy_error().decode()


def _part(observation, path):
    """The part at a path of dicts and tuples."""
    for key in path:
        observation = observation[key] if isinstance(observation, dict) else observation[int(key)]
    return observation


def _put(whole, path, part):
    for key in path[:-1]:
        whole = whole.setdefault(key, {})
    whole[path[-1] if path else ""] = part


def _form(whole):
    """Nested dicts as they are, tuples where keys are numbers, a single part alone."""
    if not isinstance(whole, dict):
        return whole
    if list(whole) == [""]:
        return whole[""]
    parts = {key: _form(part) for key, part in whole.items()}
    if all(key.isdigit() for key in parts):
        return tuple(parts.values())
    return parts
