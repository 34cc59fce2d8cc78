//! With `normalize.value`, losses do not depend on the unit of rewards.
#![allow(clippy::unwrap_used)]

use phalanx_agents::{Agent, Device, Mode, NetworkSettings, NormalizeSettings, Rollout, stream};
use phalanx_algorithms::{BatchPpo, PpoSettings, UpdateMetrics};
use phalanx_envs::{Block, Episode, Layout, Space};
use phalanx_mesh::Mesh;
use rand::RngExt;

const ROWS: usize = 4;
const STEPS: usize = 16;

/// Three updates on random observations, with random rewards of this unit.
fn train(unit: f32, value: bool) -> Vec<UpdateMetrics> {
    let (observations, actions) = (Space::unbounded(3), Space::Discrete { n: 2 });
    let mut block = Block::local(Layout::new(ROWS, STEPS, observations.clone(), actions.clone()).unwrap());
    let network = NetworkSettings { hidden: vec![8], ..NetworkSettings::default() };
    let normalize = NormalizeSettings { value, ..NormalizeSettings::default() };
    let generator = &mut stream(1, "initialisation");
    let scale = &block.layout().action_scale;
    let mut agent =
        Agent::new(&observations, &actions, &network, &normalize, scale, generator, Device::Cpu).unwrap();
    let ppo = PpoSettings { minibatch: Some(16), value_clip: Some(0.1), ..PpoSettings::default() };
    let mut ppo = BatchPpo::new(&ppo, &normalize, &agent, ROWS, 1);
    let mut rollout = Rollout::new(&block, agent.memory(ROWS));
    let generator = &mut stream(1, "test");
    let update = |_| {
        for t in 0..=STEPS {
            for row in 0..ROWS {
                block.observation_row_mut(t, row).f32().fill_with(|| generator.random());
            }
        }
        for t in 0..STEPS {
            let mut actor = agent.actor();
            let mut noise = Vec::new();
            actor.add_noise(ROWS, generator, &mut noise);
            let (memory, log_prob) = rollout.acting_mut(t);
            actor.act(&mut block, t, 0..ROWS, Mode::Sample(&noise), memory, log_prob).unwrap();
            for row in 0..ROWS {
                let episode = [Episode::Running, Episode::Terminated, Episode::Truncated][(t + row) % 3];
                block.set_outcome(t, row, unit * generator.random::<f32>(), episode);
            }
        }
        rollout.len = STEPS;
        ppo.update(&mut agent, &block, &mut rollout, 0.0, &Mesh::alone()).unwrap()
    };
    (0..3).map(update).collect()
}

#[test]
fn losses_do_not_depend_on_the_unit_of_rewards() {
    for (one, thousand) in train(1.0, true).into_iter().zip(train(1000.0, true)) {
        let numbers = |m: UpdateMetrics| {
            [m.policy_loss, m.value_loss, m.entropy, m.approx_kl, m.gradient_norm, m.explained_variance]
        };
        for (one, thousand) in numbers(one).into_iter().zip(numbers(thousand)) {
            assert!((one - thousand).abs() < 1e-4 * one.abs().max(0.1), "{one} and {thousand}");
        }
    }
    let [one, thousand] = [1.0, 1000.0].map(|unit| train(unit, false)[0].value_loss);
    assert!(thousand > 1e4 * one, "{one} and {thousand}");
}
