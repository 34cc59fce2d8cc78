//! `dylib:path/to/libmyenv.so`: an environment in a shared library, through the C interface of `envs/include/phalanx_env.h`.
//!
//! Observations are written by the library into the row itself. The library runs in the process that steps the row: in
//! a worker, a crash of it is the loss of that worker and nothing else.

mod abi;
mod instance;

use std::ffi::CString;

use serde_json::Value;

use self::instance::Instance;
use super::episode;
use crate::{Action, Env, EnvError, Frame, Params, Provider, Row, Space, Step};

/// The provider of shared libraries.
pub(super) fn provider() -> Provider {
    Provider::new("an environment in a shared library: dylib:path/to/libmyenv.so", |path, params| {
        let instance = open(path, params).map_err(|e| EnvError::failed(format!("{path}: {e}")))?;
        Ok(Box::new(Dylib { instance }))
    })
}

/// Makes an environment of the library at `path`; a relative path begins at the current directory.
fn open(path: &str, params: &Params) -> Result<Instance, EnvError> {
    // Made absolute: a bare name would be looked for among the system's libraries.
    let file = std::fs::canonicalize(path).map_err(EnvError::failed)?;
    let params = CString::new(Value::Object(params.0.clone()).to_string()).map_err(EnvError::failed)?;
    Instance::create(&file, &params)
}

/// An environment in a shared library.
struct Dylib {
    instance: Instance,
}

impl Env for Dylib {
    fn observation_space(&self) -> &Space {
        self.instance.observation_space()
    }

    fn action_space(&self) -> &Space {
        self.instance.action_space()
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.instance.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let (reward, status) = self.instance.step(action, observation)?;
        Ok(Step { reward, episode: episode(status.into()).map_err(EnvError::Failed)? })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        self.instance.render()
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Result<Value, EnvError> {
        let answer = self.instance.call(name, &arguments.to_string())?;
        serde_json::from_str(&answer)
            .map_err(|e| EnvError::failed(format!("the answer of {name:?} is no JSON ({e}): {answer}")))
    }
}
