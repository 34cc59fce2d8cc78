"""PPO in the manner of CleanRL's ppo.py, ppo_continuous_action.py and ppo_atari_envpool.py: one file, one loop.

`--vector sync` steps Gymnasium's SyncVectorEnv, `--vector envpool` EnvPool with `--env-threads` threads. The same
arithmetic and the same records as CleanRL's; observations and rewards are not normalised, as with the other peers.

With several processes, as torchrun starts them, each has a part of the rows and gradients are averaged over Gloo, as in CleanRL's
ppo_atari_multigpu.py; the steps a second are those of all.
"""

import os

import gymnasium
import numpy as np
import torch
import torch.distributed as dist
from bench import Clock, arguments
from torch import nn
from torch.distributions import Categorical, Normal

args = arguments("--vector", "--env-threads")
torch.set_num_threads(args.threads)
ranks = int(os.environ.get("WORLD_SIZE", "1"))
if ranks > 1:
    dist.init_process_group("gloo")
    args.rows //= ranks
rank = dist.get_rank() if ranks > 1 else 0
torch.manual_seed(1)
np.random.seed(1 + rank)

if args.vector == "envpool":
    import envpool

    envs = envpool.make_gymnasium(args.env, num_envs=args.rows, num_threads=int(args.env_threads), seed=1)
    observation_shape, action_space = envs.observation_space.shape, envs.action_space
else:
    envs = gymnasium.make_vec(
        args.env,
        num_envs=args.rows,
        vectorization_mode="sync",
        # As in the Gymnasium that CleanRL was written for.
        vector_kwargs={"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP},
    )
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    observation_shape, action_space = envs.single_observation_space.shape, envs.single_action_space
discrete = isinstance(action_space, gymnasium.spaces.Discrete)


def layer(inputs, outputs, gain=np.sqrt(2)):
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.constant_(linear.bias, 0.0)
    return linear


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        inputs = int(np.prod(observation_shape))
        outputs = int(action_space.n) if discrete else int(np.prod(action_space.shape))
        self.critic = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 1, 1.0))
        self.actor = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, outputs, 0.01))
        self.log_std = None if discrete else nn.Parameter(torch.zeros(1, outputs))

    def value(self, observation):
        return self.critic(observation)

    def action_and_value(self, observation, action=None):
        out = self.actor(observation)
        if discrete:
            policy = Categorical(logits=out)
            action = policy.sample() if action is None else action
            return action, policy.log_prob(action), policy.entropy(), self.critic(observation)
        policy = Normal(out, self.log_std.expand_as(out).exp())
        action = policy.sample() if action is None else action
        return action, policy.log_prob(action).sum(1), policy.entropy().sum(1), self.critic(observation)


gamma, gae_lambda, clip, entropy_weight, value_weight, max_norm = 0.99, 0.95, 0.2, 0.01, 0.5, 0.5
batch_size = args.rows * args.steps
minibatch_size = batch_size // args.minibatches
agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=2.5e-4, eps=1e-5)
action_shape = () if discrete else action_space.shape

observations = torch.zeros((args.steps, args.rows) + observation_shape)
actions = torch.zeros((args.steps, args.rows) + action_shape)
log_probs, rewards, dones, values = (torch.zeros((args.steps, args.rows)) for _ in range(4))
episode_returns = np.zeros(args.rows, dtype=np.float32)

next_observation = torch.Tensor(envs.reset()[0])
next_done = torch.zeros(args.rows)
clock = Clock(args.seconds)
while True:
    for step in range(args.steps):
        observations[step] = next_observation
        dones[step] = next_done
        with torch.no_grad():
            action, log_prob, _, value = agent.action_and_value(next_observation)
            values[step] = value.flatten()
        actions[step] = action
        log_probs[step] = log_prob
        observation, reward, terminated, truncated, _ = envs.step(action.numpy())
        done = np.logical_or(terminated, truncated)
        if args.vector == "envpool":  # CleanRL's own RecordEpisodeStatistics for EnvPool
            episode_returns += reward
            episode_returns *= 1 - done
        rewards[step] = torch.tensor(reward).view(-1)
        next_observation, next_done = torch.Tensor(observation), torch.Tensor(done)

    with torch.no_grad():
        next_value = agent.value(next_observation).reshape(1, -1)
        advantages = torch.zeros_like(rewards)
        last = 0
        for t in reversed(range(args.steps)):
            running = 1.0 - (next_done if t == args.steps - 1 else dones[t + 1])
            value_after = next_value if t == args.steps - 1 else values[t + 1]
            delta = rewards[t] + gamma * value_after * running - values[t]
            advantages[t] = last = delta + gamma * gae_lambda * running * last
        returns = advantages + values

    flat_observations = observations.reshape((-1,) + observation_shape)
    flat_actions = actions.reshape((-1,) + action_shape)
    flat_log_probs, flat_advantages = log_probs.reshape(-1), advantages.reshape(-1)
    flat_returns, flat_values = returns.reshape(-1), values.reshape(-1)
    indices = np.arange(batch_size)
    clip_fractions = []
    for epoch in range(args.epochs):
        np.random.shuffle(indices)
        for start in range(0, batch_size, minibatch_size):
            chosen = indices[start : start + minibatch_size]
            chosen_actions = flat_actions.long()[chosen] if discrete else flat_actions[chosen]
            _, log_prob, entropy, value = agent.action_and_value(flat_observations[chosen], chosen_actions)
            log_ratio = log_prob - flat_log_probs[chosen]
            ratio = log_ratio.exp()
            with torch.no_grad():
                old_kl = (-log_ratio).mean()
                kl = ((ratio - 1) - log_ratio).mean()
                clip_fractions += [((ratio - 1.0).abs() > clip).float().mean().item()]
            advantage = flat_advantages[chosen]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            policy_loss = torch.max(-advantage * ratio, -advantage * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()
            value = value.view(-1)
            unclipped = (value - flat_returns[chosen]) ** 2
            clipped = flat_values[chosen] + torch.clamp(value - flat_values[chosen], -clip, clip)
            value_loss = 0.5 * torch.max(unclipped, (clipped - flat_returns[chosen]) ** 2).mean()
            loss = policy_loss - entropy_weight * entropy.mean() + value_loss * value_weight
            optimizer.zero_grad()
            loss.backward()
            if ranks > 1:
                gradients = [parameter.grad for parameter in agent.parameters()]
                flat = torch.cat([gradient.view(-1) for gradient in gradients])
                dist.all_reduce(flat)
                for gradient, mean in zip(gradients, (flat / ranks).split([g.numel() for g in gradients])):
                    gradient.copy_(mean.view_as(gradient))
            nn.utils.clip_grad_norm_(agent.parameters(), max_norm)
            optimizer.step()

    predicted, wanted = flat_values.numpy(), flat_returns.numpy()
    explained = 1 - np.var(wanted - predicted) / max(np.var(wanted), 1e-8)
    goes_on = torch.tensor(float(clock.runs_on(batch_size * ranks)))
    if ranks > 1:
        dist.all_reduce(goes_on, op=dist.ReduceOp.MIN)
    if not goes_on:
        break
if rank == 0:
    clock.report(*(["envpool"] if args.vector == "envpool" else ["gymnasium"]), "torch", "numpy")
