"""Runs a model over steps of an episode: python run.py RUNTIME MODEL STEPS.

STEPS is JSON: for each step whether an episode begins, its rows and the numbers of each input. Prints the outputs of each step as JSON.
"""

import json
import sys

import numpy as np


class Onnx:
    def __init__(self, path):
        import onnx
        import onnxruntime

        onnx.checker.check_model(path, full_check=True)
        self.session = onnxruntime.InferenceSession(path)
        types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
        self.inputs = {x.name: (x.shape[1:], types[x.type]) for x in self.session.get_inputs()}

    def run(self, feed):
        names = [x.name for x in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, feed)))


RUNTIMES = {"onnxruntime": Onnx}


def main(runtime, model, steps):
    model = RUNTIMES[runtime](model)
    with open(steps) as file:
        steps = json.load(file)
    state, results = {}, []
    for step in steps:
        feed = {}
        for name, (shape, dtype) in model.inputs.items():
            shape = [step["rows"], *shape]
            if name.startswith("state."):
                fresh = np.zeros(shape, dtype)
                feed[name] = fresh if step["begins"] else state[name]
            else:
                feed[name] = np.array(step["inputs"][name], dtype).reshape(shape)
        outputs = model.run(feed)
        state = {name.removeprefix("next_"): x for name, x in outputs.items()}
        results.append({name: x.flatten().tolist() for name, x in outputs.items()})
    json.dump(results, sys.stdout)


main(*sys.argv[1:])
