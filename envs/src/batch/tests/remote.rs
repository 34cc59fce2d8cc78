//! Rows whose steps are computed elsewhere.

use crate::{
    Action, BatchEnv, Env, EnvError, EnvSpec, Episode, LocalBatch, Progress, Registry, Row, Rows, Space,
    Step, WrapperSpec, episode_seed,
};

/// Notes the calls that it gets, as if it computed elsewhere; every step is its episode's last.
struct Remote {
    calls: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
    spaces: [Space; 2],
}

impl Env for Remote {
    fn observation_space(&self) -> &Space {
        &self.spaces[0]
    }

    fn action_space(&self) -> &Space {
        &self.spaces[1]
    }

    fn reset(&mut self, seed: Option<u64>, _observation: Row<'_>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("reset {}", seed.unwrap()));
        Ok(())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn prepare(&mut self, action: Action<'_>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("prepare {action}"));
        Ok(())
    }

    fn is_ready(&mut self) -> bool {
        READY.get()
    }

    fn prepare_reset(&mut self, seed: Option<u64>) -> Result<(), EnvError> {
        self.calls.borrow_mut().push(format!("prepare {}", seed.unwrap()));
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, _observation: Row<'_>) -> Result<Step, EnvError> {
        self.calls.borrow_mut().push(format!("step {action}"));
        Ok(Step { reward: 0.0, episode: Episode::Terminated })
    }
}

thread_local! {
    static CALLS: std::rc::Rc<std::cell::RefCell<Vec<String>>> = std::rc::Rc::default();
    static READY: std::cell::Cell<bool> = const { std::cell::Cell::new(true) };
}

fn remote() -> Registry {
    let provider = crate::Provider::new("environments elsewhere", |_, _| {
        let calls = CALLS.with(std::rc::Rc::clone);
        let spaces = [Space::unbounded(1), Space::boxed(&[-2.0], &[2.0])];
        Ok(Box::new(Remote { calls, spaces }))
    });
    Registry::new().with_provider("far", provider)
}

/// Whoever steps rows can do something else until remote ones have their results.
#[test]
fn remote_rows_are_not_waited_for_before_they_are_ready() {
    let registry = remote();
    let mut batch = LocalBatch::new(&registry, &EnvSpec::named("far:x"), 2, 1, 0).unwrap();
    let watch = |_: crate::Place| {};
    let mut rows = Rows::new(&registry, &EnvSpec::named("far:x"), 0, 0.into(), &[1, 1], watch).unwrap();
    batch.block_mut().activate_all();
    batch.block_mut().numbers_mut(0, 0..2).copy_from_slice(&[0.5, 1.0]);
    let calls = || CALLS.with(|calls| std::mem::take(&mut *calls.borrow_mut()).join(", "));
    calls();
    READY.set(false);
    rows.begin(batch.block_mut(), 0).unwrap();
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Waiting);
    assert_eq!(calls(), "prepare [0.5], prepare [1.0]");
    READY.set(true);
    let [first, last] = [0, 1].map(|row| episode_seed(0, row, 1));
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Going);
    assert_eq!(calls(), format!("step [0.5], prepare {first}, step [1.0], prepare {last}"));
    READY.set(false);
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Waiting);
    READY.set(true);
    assert_eq!(rows.poll(batch.block_mut(), 0).unwrap(), Progress::Over);
    assert_eq!(calls(), format!("reset {first}, reset {last}"));
}

#[test]
fn remote_rows_are_prepared_before_the_first_is_waited_for() {
    let registry = remote();
    assert!(registry.check_name("far").is_err() && registry.check_name("near:x").is_err());
    // The wrapper's range is −1 to 1, the environment's −2 to 2.
    let mut spec = EnvSpec::named("far:xyz");
    spec.wrappers = vec![WrapperSpec::RangeNormalize { observation: None, action: Some(true) }];
    spec.time_limit = Some(9);
    let mut batch = LocalBatch::new(&registry, &spec, 3, 1, 0).unwrap();
    batch.reset(None).unwrap();
    batch.block_mut().set_active(1, false);
    batch.block_mut().numbers_mut(0, 0..3).copy_from_slice(&[0.5, 0.0, 7.0]);
    CALLS.with(|calls| calls.borrow_mut().clear());
    batch.step(0).unwrap();
    let [first, last] = [0, 2].map(|row| episode_seed(0, row, 1));
    let expected = format!(
        "prepare [1.0], prepare [2.0], step [1.0], prepare {first}, step [2.0], prepare {last}, reset {first}, reset {last}"
    );
    assert_eq!(CALLS.with(|calls| calls.borrow().join(", ")), expected);
}
