"""Runs models over steps: python run.py RUNTIME CASES.

CASES is JSON: models with their steps, each with whether an episode begins, its rows and the numbers of each input. Prints for each
model the description in JSON that is in it, and by name the outputs of its steps and their type and shape, without the axis of rows.
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
        self.text = self.session.get_modelmeta().custom_metadata_map["phalanx"]
        types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
        self.inputs = {x.name: (x.shape[1:], types[x.type]) for x in self.session.get_inputs()}

    def run(self, feed):
        names = [x.name for x in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, feed)))


class Schema:
    """What a TensorFlow Lite file has that its interpreters do not give."""

    def __init__(self, path):
        from ai_edge_litert import schema_py_generated as schema

        with open(path, "rb") as file:
            self.data = file.read()
        model = schema.Model.GetRootAs(self.data, 0)
        metadata = [model.Metadata(i) for i in range(model.MetadataLength())]
        [buffer] = [x.Buffer() for x in metadata if x.Name() == b"phalanx"]
        self.text = bytes(model.Buffers(buffer).DataAsNumpy()).decode()
        # Microcontrollers use numbers where they lie.
        constants = [model.Buffers(i) for i in range(model.BuffersLength())]
        assert all(x._tab.Vector(x._tab.Offset(4)) % 16 == 0 for x in constants if x.DataLength())
        graph = model.Subgraphs(0)
        name = lambda i: graph.Tensors(i).Name().decode()
        self.inputs = [name(i) for i in graph.InputsAsNumpy()]
        self.outputs = [name(i) for i in graph.OutputsAsNumpy()]
        # What is last brought from 8 bits to floats.
        types = lambda x: [graph.Tensors(i).Type() for i in (x.Inputs(0), x.Outputs(0))]
        operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
        to_floats = [schema.TensorType.INT8, schema.TensorType.FLOAT32]
        self.bytes = [x.Inputs(0) for x in operators if types(x) == to_floats][-1:]


class LiteRt:
    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        self.text = Schema(path).text
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
    """TensorFlow Lite Micro, for one row. Its inputs and outputs have no names: those of the file are read."""

    def __init__(self, path):
        from tflite_micro import runtime

        self.schema = Schema(path)
        self.text = self.schema.text
        keep = runtime.InterpreterConfig.kPreserveAllTensors
        self.interpreter = runtime.Interpreter.from_bytes(
            self.schema.data, arena_size=1 << 22, intrepreter_config=keep
        )
        details = [self.interpreter.get_input_details(i) for i in range(len(self.schema.inputs))]
        self.inputs = {name: (x["shape"][1:], x["dtype"]) for name, x in zip(self.schema.inputs, details)}

    def run(self, feed):
        for i, name in enumerate(self.schema.inputs):
            self.interpreter.set_input(feed[name], i)
        self.interpreter.invoke()
        outputs = {name: self.interpreter.get_output(i) for i, name in enumerate(self.schema.outputs)}
        return outputs | {"bytes": self.interpreter.GetTensor(i, 0)["tensor_data"] for i in self.schema.bytes}


RUNTIMES = {"onnxruntime": Onnx, "LiteRT": LiteRt, "TensorFlow Lite Micro": Tflm}


def run(model, steps):
    state, results = {}, []
    for step in steps:
        feed = {}
        for name, (shape, dtype) in model.inputs.items():
            shape = [step["rows"], *shape]
            if name.startswith("state."):
                feed[name] = np.zeros(shape, dtype) if step["begins"] else state[name]
            else:
                feed[name] = np.array(step["inputs"][name], dtype).reshape(shape)
        outputs = model.run(feed)
        state = {name.removeprefix("next_"): x for name, x in outputs.items()}
        results.append({name: x.flatten().tolist() for name, x in outputs.items()})
    assert all(x.shape[0] == steps[-1]["rows"] for x in outputs.values())
    types = {name: (x.dtype.name, x.shape[1:]) for name, x in outputs.items()}
    return {"steps": results, "types": types}


def main(runtime, cases):
    with open(cases) as file:
        cases = json.load(file)
    results = []
    for case in cases:
        try:
            model = RUNTIMES[runtime](case["model"])
            results.append({"text": model.text} | run(model, case["steps"]))
        except Exception as error:
            raise RuntimeError(case["name"]) from error
    json.dump(results, sys.stdout)


main(*sys.argv[1:])
