//! What was probably meant by a name that is not known.

/// The known name that looks most like `name`, if one is near: a third of its letters may differ. Upper and lower case, hyphens and
/// underscores are the same, and versions do not count.
///
/// ```
/// assert_eq!(phalanx_envs::nearest("cartpole", ["Pendulum-v1", "CartPole-v1"]), Some("CartPole-v1"));
/// assert_eq!(phalanx_envs::nearest("Pong-v5", ["Ant-v5"]), None);
/// ```
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| split_version(text).0.to_lowercase().replace('-', "_");
    let name = plain(name);
    let limit = name.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&name, &plain(other)), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// `CartPole-v1` as `CartPole` and `1`.
pub(crate) fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once("-v") {
        Some((stem, version))
            if !stem.is_empty() && !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) =>
        {
            (stem, Some(version))
        }
        _ => (name, None),
    }
}
