//! What acts and remembers: policies, networks, normalisers, rollout memory, optimiser, checkpoints.
