"""Policy files of Phalanx in Python: ctypes over libphalanx_policy, and numpy.

    policy = Policy("policy.phx")
    action = policy.act(observation)         # one observation, or a batch of them with an axis more
    action, log_prob = policy.sample(observation, seed=1)

An observation is an array, or a dict or tuple of them as the environment's; nested ones, too. An action has the environment's form: a number for a
Discrete space, an array for others, a dict or tuple of these for Dict and Tuple spaces. docs/deploy.md has more.
"""
import ctypes
import ctypes.util
import json
import os
import secrets

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
        ("sample", ctypes.c_int32, [pointer, size, pointer, pointer, pointer, pointer]),
        ("selftest", ctypes.c_int32, [pointer]),
    ]:
        function = getattr(library, f"phalanx_policy_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Policy:
    """A policy file that acts. It belongs to one thread at a time.

    `description` is what the file holds about itself. `spaces` has each field of an observation and an action by its name, `observation.levels` for
    example: its dtype, shape, options and the number of each choice's first one, bounds and units.
    """

    def __init__(self, path):
        self._handle = None
        self._library = _library()
        self._handle = self._library.phalanx_policy_open(os.fsencode(path))
        if not self._handle:
            raise PolicyError(self._message())
        self.description = json.loads(self._library.phalanx_policy_description(self._handle))
        fields = [*self.description.get("observation", ()), *self.description.get("action", ())]
        # A file leaves out what is not known or usual.
        self.spaces = {field["name"]: {"unit": [], "start": [0] * len(field["options"]), **field} for field in fields}
        self._rows, self._random = 1, ctypes.c_uint64(secrets.randbits(64))

    def __del__(self):
        if self._handle:
            self._library.phalanx_policy_close(self._handle)

    def act(self, observation):
        """The most probable action for an observation, or one for each of a batch of observations."""
        inputs, rows, is_batch = self._inputs(observation)
        action = self._empty(rows)
        self._check(self._library.phalanx_policy_act(self._handle, rows, inputs.pointers, action.ctypes.data))
        return self._action(action if is_batch else action[0])

    def sample(self, observation, seed=None):
        """An action that is drawn, and its log probability in nats; of a batch an array of these.

        The same seed gives the same actions; without one, the generator continues. The log probability is that of training: of numbers it is the log
        density before they are scaled and put within their bounds, of squashed ones that of the action itself.
        """
        inputs, rows, is_batch = self._inputs(observation)
        if seed is not None:
            self._random.value = seed
        action, log_prob = self._empty(rows), np.empty(rows, np.float32)
        random = ctypes.addressof(self._random)
        self._check(
            self._library.phalanx_policy_sample(
                self._handle, rows, inputs.pointers, random, action.ctypes.data, log_prob.ctypes.data
            )
        )
        return (self._action(action), log_prob) if is_batch else (self._action(action[0]), float(log_prob[0]))

    def reset(self, row=None):
        """Begins an episode in a row, or in all."""
        for row in range(self._rows) if row is None else [row]:
            self._check(self._library.phalanx_policy_reset(self._handle, row))

    def selftest(self):
        """Takes the actions that were recorded in the file again."""
        self._check(self._library.phalanx_policy_selftest(self._handle))

    def _empty(self, rows):
        """Room for actions."""
        return np.empty((rows, self._library.phalanx_policy_action_len(self._handle)), np.float32)

    def _inputs(self, observation):
        """The inputs of an observation or a batch, how many rows they have, and whether they are a batch."""
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
        return _Inputs(given), rows, is_batch

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


class _Inputs:
    """Arrays, which live as long as the pointers to them."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.pointers = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])


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
