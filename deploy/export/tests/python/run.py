"""Runs models over steps: python run.py RUNTIME CASES.

CASES is JSON: models with their steps, each with whether an episode begins, its rows and the numbers of each input. Prints the
outputs of each model's steps by name, and what the model says of itself.
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


class LiteRt:
    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        # Without the delegate that computes on its own.
        self.interpreter = Interpreter(path)
        self.details = {x["name"]: x for x in self.interpreter.get_input_details()}
        self.inputs = {name: (x["shape"][1:], x["dtype"]) for name, x in self.details.items()}
        self.rows = None

    def run(self, feed):
        rows = len(next(iter(feed.values())))
        if rows != self.rows:
            for name, x in feed.items():
                self.interpreter.resize_tensor_input(self.details[name]["index"], x.shape, strict=True)
            self.interpreter.allocate_tensors()
            self.rows = rows
        for name, x in feed.items():
            self.interpreter.set_tensor(self.details[name]["index"], x)
        self.interpreter.invoke()
        outputs = self.interpreter.get_output_details()
        return {x["name"]: self.interpreter.get_tensor(x["index"]) for x in outputs}


class Tflm:
    """TensorFlow Lite Micro, for one row. Its tensors have no names: those of the file are read."""

    def __init__(self, path):
        from ai_edge_litert import schema_py_generated as schema
        from tflite_micro.python.tflite_micro import runtime

        with open(path, "rb") as file:
            data = file.read()
        keep = runtime.InterpreterConfig.kPreserveAllTensors
        self.interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 22, intrepreter_config=keep)
        graph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
        name = lambda i: graph.Tensors(i).Name().decode()
        self.names = [name(i) for i in graph.InputsAsNumpy()]
        self.outputs = [name(i) for i in graph.OutputsAsNumpy()]
        # What is dequantised last.
        type_of = lambda i: graph.Tensors(i).Type()
        operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
        is_last = lambda x: (type_of(x.Inputs(0)), type_of(x.Outputs(0))) == (schema.TensorType.INT8, schema.TensorType.FLOAT32)
        self.bytes = [x.Inputs(0) for x in operators if is_last(x)][-1:]
        details = [self.interpreter.get_input_details(i) for i in range(len(self.names))]
        self.inputs = {name: (x["shape"][1:], x["dtype"]) for name, x in zip(self.names, details)}

    def run(self, feed):
        for i, name in enumerate(self.names):
            self.interpreter.set_input(feed[name], i)
        self.interpreter.invoke()
        outputs = {name: self.interpreter.get_output(i) for i, name in enumerate(self.outputs)}
        return outputs | {"bytes": self.interpreter.GetTensor(i, 0)["tensor_data"] for i in self.bytes}


RUNTIMES = {"onnxruntime": Onnx, "LiteRT": LiteRt, "TensorFlow Lite Micro": Tflm}


def run(model, steps):
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
    return results


def main(runtime, cases):
    with open(cases) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        try:
            results.append(run(RUNTIMES[runtime](case["model"]), case["steps"]))
        except Exception as error:
            raise RuntimeError(case["name"]) from error
    json.dump(results, sys.stdout)


main(*sys.argv[1:])
