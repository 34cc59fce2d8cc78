//! The configuration of a run: from the text as typed to settings that are checked.
//!
//! Reading continues after a mistake: what does not fit is reported and taken out, and the rest is checked as if it had
//! not been written. So unknown keys, wrong types, numbers out of range and combinations that cannot work are
//! reported together, each with its line.
//!
//! ```text
//! YAML ─tree─▶ nodes with places ─overrides─▶ ─schema─▶ ─serde─▶ Config ─check─▶ Config
//!                                    every arrow but the last may report findings and continue
//! ```

mod check;
mod expect;
mod finding;
mod fits;
mod keywords;
mod overrides;
mod read;
mod scalar;
mod schema;
mod settings;
mod spaces;
mod tree;

pub use finding::{Finding, Place, Problems, Source};
pub use overrides::from_sets;
pub use read::{ConfigError, Examined, examine, load, parse};
pub use settings::{AlgorithmSettings, Config, DeviceSetting};
pub use spaces::{Make, Networks};

/// The JSON schema of [`Config`], for editors and for the checker.
pub fn json_schema() -> serde_json::Value {
    let plain = schemars::schema_for!(Config).to_value();
    let mut schema = plain.clone();
    schema::allow_names(&plain, &mut schema);
    schema
}

impl Config {
    /// The complete configuration, defaults included, as YAML that reads back to the same one.
    ///
    /// # Errors
    /// Never for a configuration that was read; the writer's otherwise.
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(self)
    }
}
