//! Runs of Gymnasium's environments from before their observations and actions had fields.

use phalanx_agents::AgentError;
use phalanx_envs::EnvSpec;

/// The error of a policy in `env`, which the configuration has at `setting`; with what to do where it was trained in flattened spaces.
pub(super) fn explain(error: AgentError, env: &EnvSpec, setting: &str) -> anyhow::Error {
    let has_fields = env.name.starts_with("gymnasium:") && !env.params.0.contains_key("flatten");
    match &error {
        AgentError::Signature { what, trained, given }
            if has_fields && is_flat(what, trained) && !is_flat(what, given) =>
        {
            anyhow::anyhow!(
                "{error}; a run from before observations and actions of Gymnasium had fields needs \
                 `--set {setting}.params.flatten=true`"
            )
        }
        _ => error.into(),
    }
}

/// Whether a space is one that flattening gives, by its text.
fn is_flat(what: &str, space: &str) -> bool {
    let is_box = space.starts_with("Box(") && space.ends_with("F32)");
    match what {
        "observations" => is_box,
        "actions" => is_box || space.starts_with("Discrete(") || space.starts_with("MultiDiscrete("),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattened_spaces_are_told_from_others() {
        for (what, trained, given, is_told) in [
            ("observations", "Box([5], F32)", "Dict(a: Box([2], -1..1, F32), b: Discrete(3))", true),
            ("observations", "Box([5], F32)", "Box([5], F64)", true),
            ("observations", "Box([3], F32)", "Discrete(3)", true),
            ("observations", "Box([3], F32)", "Box([4], F32)", false),
            ("actions", "MultiDiscrete([2, 2])", "MultiBinary(2)", true),
            ("actions", "MultiDiscrete([2, 2])", "Discrete(2)", false),
            ("network.hidden", "[64]", "[32]", false),
        ] {
            let explained = |name: &str| {
                let (what, trained, given) = (what.to_owned(), trained.to_owned(), given.to_owned());
                let error = AgentError::Signature { what, trained, given };
                explain(error, &EnvSpec::named(name), "evaluation.env").to_string()
            };
            let text = explained("gymnasium:mine:Mine-v0");
            assert_eq!(text.ends_with("`--set evaluation.env.params.flatten=true`"), is_told, "{text}");
            assert!(!explained("exec:./mine").contains("flatten"));
        }
    }
}
