"""A simulator's side of docs/protocol.md, in Python without packages.

`serve(make)` answers Phalanx; `make(params)` returns an object with

    observation_space, action_space     made with box(...), discrete(...), multi_discrete(...), multi_binary(...), dict_of(...) or
                                        tuple_of(...)
    reset(seed) -> observation          seed is None when the generator is to go on
    step(action) -> observation, reward, RUNNING or TERMINATED or TRUNCATED
    render() -> width, height, rgb      optional
    call(name, arguments) -> JSON value optional; NotImplementedError for an unknown name. After an episode the
                                        name is "info", and the numbers of the answer are logged; "units" asks for the units of
                                        numbers, by field: {"observation": ["m", "m/s"], "action": "N"}

Observations and actions are flat sequences of numbers; those of dict_of(...) are dictionaries of them, those of tuple_of(...) lists.
An exception is sent to Phalanx as the error of that call.
"""

import json
import math
import os
import socket
import struct
import threading
from dataclasses import dataclass

RUNNING, TERMINATED, TRUNCATED = 0, 1, 2
CREATE, RESET, STEP, RENDER, CLOSE, CALL, ERROR = 1, 2, 3, 4, 5, 6, 255
DISCRETE, MULTI_DISCRETE, BOX, BYTES, MULTI_BINARY, DOUBLES, DICT, TUPLE = range(8)


@dataclass
class Space:
    """A space of numbers, or of `parts`: pairs of a name or index and a space."""

    kind: int
    sent: bytes
    count: int = 0
    parts: tuple = ()

    def needs_version_2(self):
        return self.kind >= MULTI_BINARY

    def observed(self):
        """How a number of an observation is packed."""
        return {BYTES: "B", MULTI_BINARY: "B", DOUBLES: "d"}.get(self.kind, "f")

    def leaves(self):
        return [leaf for _, part in self.parts for leaf in part.leaves()] if self.parts else [self]


def leaf(kind, sizes, count, low=(), high=()):
    sent = struct.pack(f"<BI{len(sizes)}I", kind, len(sizes), *sizes)
    return Space(kind, sent + struct.pack(f"<I{2 * len(low)}f", len(low), *low, *high), count)


def discrete(n):
    return leaf(DISCRETE, [n], 1)


def multi_discrete(*n):
    return leaf(MULTI_DISCRETE, n, len(n))


def multi_binary(n):
    return leaf(MULTI_BINARY, [n], n)


def box(shape, low=None, high=None, element="f"):
    """Bounds are numbers, lists of as many as there are elements, or None; the element is "f", "d" for 64 bits, or "B" for bytes."""
    spread = [[] if b is None else b if isinstance(b, (list, tuple)) else [b] for b in (low, high)]
    return leaf({"f": BOX, "d": DOUBLES, "B": BYTES}[element], shape, math.prod(shape), *spread)


def dict_of(**parts):
    """A part `action_mask` of an observation has a number for each option of the action: 0 where that is illegal."""
    names = [struct.pack("<I", len(name.encode())) + name.encode() for name in parts]
    sent = [name + part.sent for name, part in zip(names, parts.values())]
    return Space(DICT, struct.pack("<BI", DICT, len(parts)) + b"".join(sent), parts=tuple(parts.items()))


def tuple_of(*parts):
    sent = struct.pack("<BI", TUPLE, len(parts)) + b"".join(part.sent for part in parts)
    return Space(TUPLE, sent, parts=tuple(enumerate(parts)))


def pack(space, observation):
    """An observation as it is sent."""
    if space.parts:
        return b"".join(pack(part, observation[key]) for key, part in space.parts)
    return struct.pack(f"<{space.count}{space.observed()}", *observation)


def unpack(space, body):
    """The action in `body`: all choices and bits, then all numbers of boxes."""
    choices = sum(leaf.count for leaf in space.leaves() if leaf.kind != BOX)
    whole = iter(struct.unpack_from(f"<{choices}q", body))
    numbers = iter(struct.unpack_from(f"<{(len(body) - 8 * choices) // 4}f", body, 8 * choices))

    def read(space):
        if space.parts:
            parts = {key: read(part) for key, part in space.parts}
            return parts if space.kind == DICT else list(parts.values())
        return [next(numbers if space.kind == BOX else whole) for _ in range(space.count)]

    return read(space)


def plain(value):
    """The value as JSON has it: numbers and arrays of NumPy are lists and numbers, what is not finite is null, other things are text."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def answer_all(make, source, sink):
    """Answers one environment's messages until it is closed."""
    env = None

    def send(kind, body):
        sink.write(struct.pack("<IB", 1 + len(body), kind) + body)
        sink.flush()

    def observe(observation):
        return pack(env.observation_space, observation)

    while len(head := source.read(5)) == 5:
        length, kind = struct.unpack("<IB", head)
        body = source.read(length - 1)
        try:
            if kind == CREATE:
                env = make(json.loads(body[4:]))
                can = hasattr(env, "render") + 2 * hasattr(env, "call")
                both = env.observation_space, env.action_space
                version = 2 if any(space.needs_version_2() for space in both) else 1
                send(kind, struct.pack("<IB", version, can) + both[0].sent + both[1].sent)
            elif kind == RESET:
                seeded, seed = struct.unpack("<BQ", body)
                send(kind, observe(env.reset(seed if seeded else None)))
            elif kind == STEP:
                observation, reward, status = env.step(unpack(env.action_space, body))
                send(kind, struct.pack("<fB", reward, status) + observe(observation))
            elif kind == RENDER:
                width, height, rgb = env.render()
                send(kind, struct.pack("<II", width, height) + bytes(rgb))
            elif kind == CALL:
                send(kind, json.dumps(plain(env.call(**json.loads(body)))).encode())
            elif kind == CLOSE:
                return
        except Exception as error:
            unknown = kind == CALL and isinstance(error, NotImplementedError)
            send(*(kind, b"") if unknown else (ERROR, repr(error).encode()))


def serve(make):
    """For `exec:`: answers over the descriptors that were inherited."""
    answer_all(make, os.fdopen(int(os.environ["PHALANX_IN"]), "rb"), os.fdopen(int(os.environ["PHALANX_OUT"]), "wb"))


def listen(make, port):
    """For `tcp:`: answers every connection to this port of this machine, each with an environment of its own."""
    with socket.create_server(("127.0.0.1", port)) as server:
        print("listening at", server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            streams = connection.makefile("rb"), connection.makefile("wb")
            threading.Thread(target=answer_all, args=(make, *streams), daemon=True).start()
