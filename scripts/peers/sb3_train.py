"""Stable-Baselines3: its PPO on a DummyVecEnv, as make_vec_env makes it."""

import torch
from bench import Clock, arguments
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env


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


args = arguments()
torch.set_num_threads(args.threads)
batch = args.rows * args.steps
model = PPO(
    "MlpPolicy",
    make_vec_env(args.env, n_envs=args.rows, seed=1),
    n_steps=args.steps,
    batch_size=batch // args.minibatches,
    n_epochs=args.epochs,
    policy_kwargs={"net_arch": {"pi": [64, 64], "vf": [64, 64]}},  # with tanh, which is its default
    device="cpu",
    seed=1,
)
clock = Clock(args.seconds)
model.learn(total_timesteps=10**12, callback=Timing(clock, batch), log_interval=10**9)
clock.report("stable-baselines3", "gymnasium", "torch", "numpy")
