"""A simulator's side of docs/protocol.md, in Python without packages.

`serve(make)` answers Phalanx; `make(params)` returns an object with

    observation_space, action_space     made with box(...), discrete(...) or multi_discrete(...)
    reset(seed) -> observation          seed is None when the generator is to go on
    step(action) -> observation, reward, RUNNING or TERMINATED or TRUNCATED
    render() -> width, height, rgb      optional
    call(name, arguments) -> JSON value optional; NotImplementedError for an unknown name. After an episode the
                                        name is "info", and the numbers of the answer are logged

Observations and actions are flat sequences of numbers. An exception is sent to Phalanx as the error of that call.
"""

import json
import math
import os
import socket
import struct
import threading

RUNNING, TERMINATED, TRUNCATED = 0, 1, 2
CREATE, RESET, STEP, RENDER, CLOSE, CALL, ERROR = 1, 2, 3, 4, 5, 6, 255


def space(kind, sizes, element, low=(), high=()):
    """A space as it is sent, and how its elements are packed."""
    sent = struct.pack(f"<BI{len(sizes)}I", kind, len(sizes), *sizes)
    return sent + struct.pack(f"<I{2 * len(low)}f", len(low), *low, *high), element


def discrete(n):
    return space(0, [n], "q")


def multi_discrete(*n):
    return space(1, n, "q")


def box(shape, low=None, high=None, element="f"):
    """Bounds are numbers, lists of as many as there are elements, or None; the element is "f", or "B" for bytes."""
    spread = [[] if b is None else b if isinstance(b, (list, tuple)) else [b] for b in (low, high)]
    return space(3 if element == "B" else 2, shape, element, *spread)


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

    def pack(observation):
        return struct.pack(f"<{len(observation)}{env.observation_space[1]}", *observation)

    while len(head := source.read(5)) == 5:
        length, kind = struct.unpack("<IB", head)
        body = source.read(length - 1)
        try:
            if kind == CREATE:
                env = make(json.loads(body[4:]))
                can = hasattr(env, "render") + 2 * hasattr(env, "call")
                send(kind, struct.pack("<IB", 1, can) + env.observation_space[0] + env.action_space[0])
            elif kind == RESET:
                seeded, seed = struct.unpack("<BQ", body)
                send(kind, pack(env.reset(seed if seeded else None)))
            elif kind == STEP:
                element = env.action_space[1]
                action = struct.unpack(f"<{len(body) // struct.calcsize(element)}{element}", body)
                observation, reward, status = env.step(action)
                send(kind, struct.pack("<fB", reward, status) + pack(observation))
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
