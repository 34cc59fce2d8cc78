"""Stable-Baselines3: its PPO, or (`--algorithm recurrent`, `--algorithm maskable`) one of sb3-contrib, on its VecEnv.

It is a DummyVecEnv, as make_vec_env makes it, or (`--vector subproc`) a SubprocVecEnv. RecurrentPPO has an LSTM for the
actor and one for the critic, beneath their layers. It learns from whole episodes within a rollout, padded.
"""

import torch
from bench import Clock, arguments
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

ALGORITHMS = {
    None: (PPO, "MlpPolicy", {}),
    "recurrent": (RecurrentPPO, "MlpLstmPolicy", {"lstm_hidden_size": 64}),
    "maskable": (MaskablePPO, "MlpPolicy", {}),
}


class Timing(BaseCallback):
    """A rollout starts where the update before it has ended: the time between two starts is a whole iteration."""

    def __init__(self, clock, steps):
        super().__init__()
        self.clock, self.steps = clock, steps
        self.first, self.goes_on = True, True

    def _on_rollout_start(self):
        if not self.first:
            self.goes_on = self.clock.runs_on(self.steps)
        self.first = False

    def _on_step(self):
        return self.goes_on


args = arguments("--algorithm", "--vector")
torch.set_num_threads(args.threads)
batch = args.rows * args.steps
algorithm, policy, more = ALGORITHMS[args.algorithm]
# Forked, they are there at once; by default each imports torch first. Steps cost the same.
vector = {"vec_env_cls": SubprocVecEnv, "vec_env_kwargs": {"start_method": "fork"}} if args.vector == "subproc" else {}
envs = make_vec_env(args.env, n_envs=args.rows, seed=1, **vector)
model = algorithm(
    policy,
    envs,
    n_steps=args.steps,
    batch_size=batch // args.minibatches,
    n_epochs=args.epochs,
    policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}, **more},  # with tanh, which is its default
    device="cpu",
    seed=1,
)
clock = Clock(args.seconds)
model.learn(total_timesteps=10**12, callback=Timing(clock, batch), log_interval=10**9)
clock.report("stable-baselines3", *(["sb3-contrib"] if args.algorithm else []), "gymnasium", "torch", "numpy")
envs.close()
