"""Stable-Baselines3 with the settings that RL Baselines3 Zoo tuned: ends when the latest 100 episodes reach `--goal`."""

import argparse
import json
from importlib.metadata import version

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

parser = argparse.ArgumentParser()
parser.add_argument("--env", required=True)
parser.add_argument("--goal", type=float, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
torch.set_num_threads(args.threads)

# Rows, steps at most, and PPO's own settings. MuJoCo's observations and rewards are normalised.
TUNED = {
    "CartPole-v1": (8, 400_000, {
        "n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0,
        "learning_rate": lambda left: 1e-3 * left, "clip_range": lambda left: 0.2 * left,
    }),
    "Pendulum-v1": (4, 400_000, {
        "n_steps": 1024, "gae_lambda": 0.95, "gamma": 0.9, "n_epochs": 10, "ent_coef": 0.0, "learning_rate": 1e-3,
        "clip_range": 0.2, "use_sde": True, "sde_sample_freq": 4,
    }),
    "HalfCheetah-v5": (1, 1_000_000, {
        "n_steps": 512, "batch_size": 64, "gae_lambda": 0.92, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.000401762,
        "learning_rate": 2.0633e-05, "clip_range": 0.1, "max_grad_norm": 0.8, "vf_coef": 0.58096,
        "policy_kwargs": {
            "log_std_init": -2.0, "ortho_init": False, "activation_fn": torch.nn.ReLU,
            "net_arch": {"pi": [256, 256], "vf": [256, 256]},
        },
    }),
}  # fmt: skip


class Goal(BaseCallback):
    """Looks at the returns after each rollout, as we do."""

    def _on_rollout_end(self):
        returns = [episode["r"] for episode in self.model.ep_info_buffer]
        self.reached = len(returns) == 100 and sum(returns) / 100 >= args.goal

    def _on_step(self):
        return not getattr(self, "reached", False)


rows, most, settings = TUNED[args.env]
# The zoo's schedules fall to zero at 100,000 steps.
envs = make_vec_env(args.env, n_envs=rows, seed=args.seed)
if args.env == "HalfCheetah-v5":
    envs = VecNormalize(envs, gamma=settings["gamma"])
model = PPO("MlpPolicy", envs, device="cpu", seed=args.seed, **settings)
goal = Goal()
model.learn(total_timesteps=100_000 if args.env == "CartPole-v1" else most, callback=goal)
print(json.dumps({
    "reached": getattr(goal, "reached", False),
    "steps": model.num_timesteps,
    "versions": {"stable-baselines3": version("stable-baselines3")},
}), flush=True)  # fmt: skip
