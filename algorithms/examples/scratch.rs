use phalanx_agents::*;
use phalanx_algorithms::*;
use phalanx_envs::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let arg = |n: &str, d: f64| {
        args.iter().find_map(|a| a.strip_prefix(&format!("{n}="))).map_or(d, |v| v.parse().unwrap())
    };
    let name = args[1].clone();
    tch::set_num_threads(arg("threads", 1.0) as i32);
    let lr = arg("lr", 3e-4);
    let settings = TrainSettings {
        rows: arg("rows", 64.0) as usize,
        steps: arg("steps", 400_000.0) as u64,
        seed: arg("seed", 1.0) as u64,
        device: Device::Cpu,
        rollout: if arg("episodes", 0.0) > 0.0 {
            RolloutSettings::Episodes(EpisodesRollout {
                episodes: arg("episodes", 0.0) as usize,
                max_length: arg("max", 200.0) as usize,
            })
        } else {
            RolloutSettings::Steps(StepsRollout { steps: arg("T", 128.0) as usize })
        },
        network: NetworkSettings {
            activation: if arg("relu", 0.0) > 0.0 { Activation::Relu } else { Activation::Tanh },
            initial_std: arg("std", 1.0),
            hidden: vec![arg("width", 64.0) as usize; 2],
            ..Default::default()
        },
        normalize: NormalizeSettings {
            observation: arg("normobs", 0.0) > 0.0,
            reward: arg("normrew", 0.0) > 0.0,
            ..Default::default()
        },
        ppo: PpoSettings {
            minibatch: if arg("mb", 2048.0) > 0.0 { Some(arg("mb", 2048.0) as usize) } else { None },
            epochs: arg("epochs", 4.0) as usize,
            gae_lambda: Some(arg("lambda", 0.95)),
            discount: arg("gamma", 0.99),
            entropy_coefficient: arg("ent", 0.0),
            value_coefficient: arg("vf", 0.5),
            target_kl: if arg("tkl", 0.0) > 0.0 { Some(arg("tkl", 0.0)) } else { None },
            learning_rate: if arg("lin", 0.0) > 0.0 {
                Schedule::Linear(LinearSchedule { from: lr, to: 0.0 })
            } else {
                Schedule::Constant(lr)
            },
            objective: if arg("kl", 0.0) > 0.0 {
                Objective::KlPenalty(KlPenaltySettings { target: arg("kl", 0.01), ..Default::default() })
            } else {
                Objective::Clip(ClipSettings {
                    range: if arg("lin", 0.0) > 0.0 {
                        Schedule::Linear(LinearSchedule { from: arg("clip", 0.2), to: 0.0 })
                    } else {
                        Schedule::Constant(arg("clip", 0.2))
                    },
                })
            },
            max_gradient_norm: Some(arg("gn", 0.5)),
            ..Default::default()
        },
        evaluation: EvaluationSettings {
            every: arg("every", 50_000.0) as u64,
            episodes: arg("evals", 20.0) as usize,
        },
        checkpoint_every: 0,
    };
    let registry = Registry::standard();
    let mut spec = EnvSpec::named(&name);
    if arg("repeat", 0.0) > 0.0 {
        spec.wrappers =
            serde_json::from_str(&format!("[{{\"action_repeat\":{{\"amount\":{}}}}}]", arg("repeat", 0.0)))
                .unwrap();
    }
    let make = |rows, steps, seed| {
        Ok(Box::new(LocalBatch::new(&registry, &spec, rows, steps, seed)?) as Box<dyn BatchEnv>)
    };
    let mut trainer = Trainer::new(settings.clone(), &make).unwrap();
    let dir = std::env::temp_dir().join(format!("scratch-{}", std::process::id()));
    let start = std::time::Instant::now();
    let mut n = 0;
    let (mut st, mut inf, mut up) = (0.0, 0.0, 0.0);
    trainer.run(&Checkpoints::new(&dir, 1), &mut |r| { n += 1; 
        st += r.get("seconds_stepping").unwrap(); inf += r.get("seconds_inferring").unwrap(); up += r.get("seconds_updating").unwrap();
        if arg("v",0.0)>0.0 || r.get("evaluation_return_mean").is_some() { println!("{:>8} ret {:>8.1} eval {:>8.1} kl {:.4} ent {:.3} ev {:.2} vl {:.3} std-pen {:.3} {:.0}/s", r.step, r.get("episode_return_mean").unwrap(), r.get("evaluation_return_mean").unwrap_or(f64::NAN), r.get("approx_kl").unwrap(), r.get("entropy").unwrap(), r.get("explained_variance").unwrap(), r.get("value_loss").unwrap(), r.get("kl_penalty").unwrap(), r.get("steps_per_second").unwrap()); } Ok(()) }, &|| false).unwrap();
    let e = start.elapsed().as_secs_f64();
    println!(
        "{} steps in {e:.2} s = {:.0}/s (loop {:.0}/s); stepping {st:.2} inferring {inf:.2} updating {up:.2}; iterations {n}",
        trainer.step(),
        trainer.step() as f64 / e,
        trainer.step() as f64 / (st + inf + up)
    );
    let mut batch = make(16, 1, 12345).unwrap();
    let ev = evaluate(trainer.agent(), &mut *batch, 100, None).unwrap();
    println!("FINAL {:.1} ± {:.1}", ev.return_mean(), ev.return_std());
    std::fs::remove_dir_all(dir).ok();
}
