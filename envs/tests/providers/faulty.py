"""A simulator whose first argument chooses a fault. Without one it counts its steps; five make an episode."""

import os
import signal
import struct
import subprocess
import sys
import time

fault = sys.argv[1] if len(sys.argv) > 1 else ""
source = os.fdopen(int(os.environ["PHALANX_IN"]), "rb")
sink = int(os.environ["PHALANX_OUT"])
if fault == "drip":
    print("This is for people and does not disturb.")


def send(kind, body, length=None):
    whole = struct.pack("<IB", 1 + len(body) if length is None else length, kind) + body
    for i in range(len(whole)) if fault == "drip" else [slice(None)]:
        os.write(sink, whole[i : i + 1] if fault == "drip" else whole)


def space(kind, sizes, bounds=()):
    words = f"<BI{len(sizes)}II{2 * len(bounds)}f"
    return struct.pack(words, kind, len(sizes), *sizes, len(bounds), *bounds, *bounds)


def create():
    if fault == "silent":
        time.sleep(1000)
    if fault == "no start":
        sys.exit("no licence")
    if fault == "version":
        return struct.pack("<I", 3)
    observation = {"kind": space(9, []), "size": space(2, [1 << 31, 1 << 31]), "choice": space(0, [0])}
    action = {"nothing": space(1, [])}
    body = struct.pack("<IB", 1, 3 if fault in ("call", "leave") else 1) + observation.get(fault, space(2, [])) + action.get(fault, space(0, [2]))
    return body[:-1] if fault == "short spaces" else body + b"!" if fault == "long spaces" else body


def step():
    global steps
    steps += 1
    outcome = struct.pack("<fBf", 1.0, 3 if fault == "status" else steps == 5, steps)
    if fault == "meet":
        # Goes on once the steps of all four rows are being computed.
        open(os.path.join(sys.argv[2], f"{os.getpid()}-{steps}"), "w").close()
        while sum(name.endswith(f"-{steps}") for name in os.listdir(sys.argv[2])) < 4:
            time.sleep(0.001)
    if steps != 3:
        return send(3, outcome)
    if fault == "exit":
        sys.exit(3)
    elif fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang":
        time.sleep(1000)
    elif fault == "hang with another":
        # It is known by the same word.
        for session in (False, True):
            subprocess.Popen(["sh", "-c", "sleep 1000; :", sys.argv[2]], start_new_session=session)
        time.sleep(1000)
    elif fault == "deaf":
        # Closes its ends and lives on.
        os.close(sink)
        time.sleep(1000)
    elif fault == "garbage":
        os.write(sink, b"Iteration 1: residual 1e-3\n")
    elif fault == "vast":
        send(3, outcome, length=0xFFFFFFFF)
    elif fault == "zero":
        send(3, outcome, length=0)
    elif fault == "short":
        send(3, outcome[:-1])
    elif fault == "torn":
        os.write(sink, struct.pack("<IB", 1 + len(outcome), 3) + outcome[:4])
        sys.exit()
    elif fault == "partial":
        os.write(sink, struct.pack("<IB", 1 + len(outcome), 3) + outcome[:1])
        time.sleep(1000)
    elif fault == "no kind":
        os.write(sink, bytes(4))
        time.sleep(1000)
    elif fault == "no words":
        send(255, b"")
    elif fault == "twice":
        os.write(sink, 2 * (struct.pack("<IB", 1 + len(outcome), 3) + outcome))
    elif fault == "error":
        send(255, "the mesh is too coarse: Δx".encode())
    else:
        send(3, outcome)


steps = 0
while len(head := source.read(5)) == 5:
    length, kind = struct.unpack("<IB", head)
    body = source.read(length - 1)
    if kind == 1:
        if fault == "params":
            send(255, body[4:])
        else:
            send(1, create())
    elif kind == 2:
        steps = 0
        send(2, struct.pack("<f", os.getpid() if fault == "leave" else 0.0))
    elif kind == 3:
        step()
        if fault == "leave" and steps == 5:
            sys.exit(0)
    elif kind == 4:
        send(4, struct.pack("<II", 2, 1) + bytes(6))
    elif kind == 6:
        send(6, b'{"half": ')
    else:
        break
if fault == "stay":
    time.sleep(1000)
