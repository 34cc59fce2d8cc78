//! Whether a policy that begins as a Gaussian around 0 meets the box that its actions are clipped to.

use crate::{ActionScaling, Space};

/// Least share of a new policy's actions within the box, and of the box within them: below, learning hardly begins.
const LEAST: f64 = 0.05;

/// A warning when a policy that starts with mean 0 and standard deviation `std` meets too little of the box `space` to learn. Numbers that
/// `scaling` brings to their range meet it.
///
/// Some 95 % of its first actions lie within two deviations of 0, and what lies outside the box is clipped to its bounds. When less
/// than 5 % of that interval lies in the box, as in 10…20 or ±0.01, nearly every action is a bound, whatever the network does. When
/// it is less than 5 % of the box, as in ±1000, the rest of the box is not tried. Everything else gets `None`.
pub fn action_scale_warning(space: &Space, scaling: ActionScaling, std: f64) -> Option<String> {
    let leaves = space.leaves();
    leaves.iter().find_map(|(path, leaf)| leaf_warning(path, leaf, scaling, std))
}

fn leaf_warning(path: &str, space: &Space, scaling: ActionScaling, std: f64) -> Option<String> {
    let Space::Box { low, high, .. } = space else { return None };
    let reach = 2.0 * std;
    let bounds = || low.iter().zip(high);
    let (element, share) = bounds().enumerate().find_map(|(i, (&low, &high))| {
        let both = f64::from(high).min(reach) - f64::from(low).max(-reach);
        let (inside, width) = ((both / (2.0 * reach)).max(0.0), high - low);
        let tried = if width.is_finite() { both / f64::from(width) } else { 1.0 };
        let is_met = scaling != ActionScaling::Clip && low.is_finite() && high.is_finite();
        // An element with one value has nothing to be learned.
        (low < high && !is_met && inside.min(tried) < LEAST).then_some((i, (inside, tried)))
    })?;
    let (low_bound, high_bound) = (low[element], high[element]);
    let lost = if share.0 < LEAST {
        "so nearly all of them are clipped to a bound and have the same effect".to_owned()
    } else {
        format!("so only {:.2} % of that range is tried", 100.0 * share.1)
    };
    let cure = if low_bound.is_finite() && high_bound.is_finite() {
        "set `action_scaling: rescale`"
    } else {
        "scale actions to about -1..1 in the environment, or give them finite bounds"
    };
    let dot = if path.is_empty() { "" } else { "." };
    Some(format!(
        "the action space {space} is far from -1..1: action{dot}{path}[{element}] is taken in {low_bound}..{high_bound}, a new policy's actions \
         lie in {}..{reach}, {lost}, and little or nothing is learned: {cure}",
        -reach
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(low: f32, high: f32) -> Option<String> {
        action_scale_warning(&Space::boxed(&[-1.0, low], &[1.0, high]), ActionScaling::Clip, 1.0)
    }

    #[test]
    fn boxes_far_from_a_unit_are_warned_about() {
        for (low, high, lost) in [
            (10.0, 20.0, "nearly all of them are clipped to a bound"),
            (-0.01, 0.01, "nearly all of them are clipped to a bound"),
            (-7.0, -3.0, "nearly all of them are clipped to a bound"),
            (10.0, f32::INFINITY, "nearly all of them are clipped to a bound"),
            // Of 2,000 are 4 tried, of 255 are 2.
            (-1000.0, 1000.0, "only 0.20 % of that range is tried"),
            (0.0, 255.0, "only 0.78 % of that range is tried"),
        ] {
            let warning = warning(low, high).unwrap_or_default();
            assert!(warning.contains(lost) && warning.contains("action[1]"), "{low}..{high}: {warning}");
            assert_eq!(
                warning.contains("`action_scaling: rescale`"),
                high.is_finite(),
                "{low}..{high}: {warning}"
            );
        }
    }

    #[test]
    fn boxes_about_a_unit_large_boxes_without_bounds_and_choices_are_not() {
        for (low, high) in [
            (-1.0, 1.0),
            (0.0, 1.0),
            (-0.1, 0.1),
            (-3.0, 3.0),
            (-40.0, 40.0),
            (3.0, 3.0),
            (f32::NEG_INFINITY, f32::INFINITY),
            (f32::MIN, f32::MAX),
            (0.0, f32::INFINITY),
        ] {
            assert_eq!(warning(low, high), None, "{low}..{high}");
        }
        assert_eq!(action_scale_warning(&Space::Discrete { n: 1000 }, ActionScaling::Clip, 1.0), None);
    }

    #[test]
    fn the_deviation_that_a_policy_starts_with_counts() {
        let space = Space::boxed(&[-1000.0], &[1000.0]);
        assert!(action_scale_warning(&space, ActionScaling::Clip, 1.0).is_some());
        assert_eq!(action_scale_warning(&space, ActionScaling::Clip, 100.0), None);
    }

    #[test]
    fn what_is_scaled_to_its_range_is_met() {
        let fields = |high: f32| {
            let aim = ("aim".to_owned(), Space::boxed(&[10.0], &[high]));
            Space::Dict(vec![("gear".to_owned(), Space::Discrete { n: 3 }), aim])
        };
        for scaling in [ActionScaling::Rescale, ActionScaling::Squash] {
            assert_eq!(action_scale_warning(&fields(20.0), scaling, 1.0), None);
        }
        for (high, scaling) in [(20.0, ActionScaling::Clip), (f32::INFINITY, ActionScaling::Rescale)] {
            let warning = action_scale_warning(&fields(high), scaling, 1.0).expect("a warning");
            assert!(warning.contains("action.aim[0] is taken in 10.."), "{warning}");
        }
    }
}
