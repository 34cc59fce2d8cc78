"""EnvPool under random actions, drawn beforehand: all rows in step, or (`--batch half`) whichever half is ready first."""

import envpool
from bench import Clock, arguments, random_actions

args = arguments("--env-threads", "--batch")
batch = args.rows // 2 if args.batch == "half" else args.rows
threads = int(args.env_threads)
envs = envpool.make_gymnasium(args.env, num_envs=args.rows, batch_size=batch, num_threads=threads, seed=1)
actions = random_actions(envs.action_space, batch)
clock = Clock(args.seconds)
goes_on = True
if batch == args.rows:
    envs.reset()
    while goes_on:
        for action in actions:
            envs.step(action)
        goes_on = clock.runs_on(len(actions) * batch)
else:
    envs.async_reset()
    while goes_on:
        for action in actions:
            row = envs.recv()[-1]["env_id"]
            envs.send(action, row)
        goes_on = clock.runs_on(len(actions) * batch)
clock.report("envpool", "numpy")
