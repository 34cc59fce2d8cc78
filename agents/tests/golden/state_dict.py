"""Records a network of PyTorch and what it computes, for `cargo test -p phalanx-agents --test golden`.

Usage: state_dict.py FOLDER

Writes state_dict.safetensors, the state_dict of a network over a picture [6, 5, 2] of bytes and 3 numbers, and state_dict.json: observations of
two rows for two steps, with the outputs of actor and critic.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(17)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.eye = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.body = nn.Sequential(nn.Linear(3 * 2 * 4 + 3, 8), nn.LayerNorm(8), nn.Tanh())
        self.memory = nn.LSTM(8, 5)
        self.action = nn.Linear(5, 3)
        self.value = nn.Linear(8, 1)
        self.unused = nn.Linear(2, 2)

    def forward(self, picture, numbers, state):
        eye = self.eye((picture.float() / 255).permute(0, 3, 1, 2))
        body = self.body(torch.cat([eye, numbers], 1))
        out, state = self.memory(body[None], state)
        return self.action(out[0]), self.value(body), state


folder = Path(sys.argv[1])
network = Network()
for parameter in network.parameters():
    parameter.data += 0.3 * torch.randn_like(parameter)
state, steps = None, []
for _ in range(2):
    picture = torch.randint(0, 256, (2, 6, 5, 2), dtype=torch.uint8)
    numbers = torch.randn(2, 3)
    outputs, value, state = network(picture, numbers, state)
    step = {"picture": picture, "numbers": numbers, "outputs": outputs, "value": value}
    steps.append({name: tensor.flatten().tolist() for name, tensor in step.items()})
# As files of other precisions are, too.
tensors = dict(network.state_dict())
tensors["action.bias"] = tensors["action.bias"].double()
save_file(tensors, folder / "state_dict.safetensors", metadata={"format": "pt"})
(folder / "state_dict.json").write_text(json.dumps({"torch": torch.__version__, "steps": steps}) + "\n")
