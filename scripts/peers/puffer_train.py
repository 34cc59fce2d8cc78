"""PufferLib: its trainer PuffeRL, on its Serial vectorisation of Gymnasium or (`--vector c`) on its own C CartPole.

Minibatches are drawn evenly (`prio_alpha` 0), advantages are PPO's (both V-trace bounds 1), the optimiser is Adam: what
the other peers do. Its dashboard is not drawn.
"""

import gymnasium
import pufferlib.pufferl
import torch
from bench import Clock, arguments
from puffer_vector import vectorised
from pufferlib.pytorch import layer_init
from torch import nn

args = arguments("--vector")
torch.set_num_threads(args.threads)
batch = args.rows * args.steps


class Policy(nn.Module):
    """Separate 64-64 tanh actor and critic."""

    def __init__(self, env):
        super().__init__()
        inputs = env.single_observation_space.shape[0]
        space = env.single_action_space
        self.discrete = isinstance(space, gymnasium.spaces.Discrete)
        outputs = int(space.n) if self.discrete else space.shape[0]
        self.actor, self.critic = self.network(inputs, outputs, 0.01), self.network(inputs, 1, 1.0)
        self.log_std = None if self.discrete else nn.Parameter(torch.zeros(1, outputs))

    @staticmethod
    def network(inputs, outputs, gain):
        first, second = layer_init(nn.Linear(inputs, 64)), layer_init(nn.Linear(64, 64))
        return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), layer_init(nn.Linear(64, outputs), gain))

    def forward(self, observations, state=None):
        observations = observations.float()  # MuJoCo's are doubles
        out = self.actor(observations)
        policy = out if self.discrete else torch.distributions.Normal(out, self.log_std.expand_as(out).exp())
        return policy, self.critic(observations)

    forward_eval = forward


class Trainer(pufferlib.pufferl.PuffeRL):
    def print_dashboard(self, *_, **__):
        pass


config = {
    "env": args.env, "seed": 1, "torch_deterministic": True, "cpu_offload": False, "device": "cpu",
    "optimizer": "adam", "anneal_lr": True, "precision": "float32", "total_timesteps": 10**9,
    "learning_rate": 2.5e-4, "gamma": 0.99, "gae_lambda": 0.95, "update_epochs": args.epochs,
    "clip_coef": 0.2, "vf_coef": 0.5, "vf_clip_coef": 0.2, "max_grad_norm": 0.5, "ent_coef": 0.01,
    "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_eps": 1e-5, "data_dir": ".", "checkpoint_interval": 10**9,
    "batch_size": "auto", "bptt_horizon": args.steps, "minibatch_size": batch // args.minibatches,
    "max_minibatch_size": batch, "compile": False, "vtrace_rho_clip": 1.0, "vtrace_c_clip": 1.0,
    "prio_alpha": 0.0, "prio_beta0": 1.0, "use_rnn": False,
}  # fmt: skip
envs = vectorised(args, statistics=True)
trainer = Trainer(config, envs, Policy(envs.driver_env))
clock = Clock(args.seconds)
goes_on = True
while goes_on:
    trainer.evaluate()
    trainer.train()
    goes_on = clock.runs_on(batch)
trainer.utilization.stop()
clock.report("pufferlib", "gymnasium", "torch", "numpy")
