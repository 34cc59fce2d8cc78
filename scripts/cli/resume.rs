//! The running episodes of a resumed run, restored with a progress bar, and messages about those that could not be.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use phalanx_agents::Checkpoint;
use phalanx_algorithms::{AlgorithmError, Trainer};

use super::flattened;
use crate::config::Config;

/// Restores a training from a checkpoint; messages about the rows that begin a new episode.
pub(super) fn replay(
    trainer: &mut Trainer,
    (path, checkpoint): (&Path, &Checkpoint),
    limit: Duration,
    config: &Config,
) -> anyhow::Result<Vec<String>> {
    let rows = config.rows;
    let template = ProgressStyle::with_template("{spinner} {pos} of {len} rows replayed, {elapsed}")?;
    let leads = trainer.mesh().rank() == 0;
    let bar = if leads { ProgressBar::new(rows as u64) } else { ProgressBar::hidden() }.with_style(template);
    bar.enable_steady_tick(Duration::from_millis(200));
    let anew = trainer.restore(checkpoint, limit, &mut |rows| bar.set_position(rows as u64));
    bar.finish_and_clear();
    let anew = anew.map_err(|error| match error {
        AlgorithmError::Agent(error) => flattened::explain(error, &config.env, "env"),
        error => error.into(),
    });
    let anew = anew.with_context(|| format!("cannot continue from {}", path.display()))?;
    Ok(replay_notes(&anew, rows))
}

/// How many of `rows` rows begin a new episode, then a line for each kind of reason with its rows. Reasons are of one kind when they
/// differ in numbers alone; the first row's is printed.
fn replay_notes(anew: &[(usize, String)], rows: usize) -> Vec<String> {
    if anew.is_empty() {
        return Vec::new();
    }
    let kind = |reason: &str| reason.replace(|c: char| c.is_ascii_digit(), "");
    let mut groups: Vec<(String, &str, Vec<String>)> = Vec::new();
    for (row, reason) in anew {
        match groups.iter_mut().find(|(known, ..)| *known == kind(reason)) {
            Some((.., rows)) => rows.push(row.to_string()),
            None => groups.push((kind(reason), reason, vec![row.to_string()])),
        }
    }
    let mut notes = vec![format!("{} of {rows} rows begin a new episode:", anew.len())];
    notes.extend(groups.iter().map(|(_, reason, rows)| match &rows[..] {
        [row] => format!("  row {row}: {reason}"),
        [first, ..] => format!("  rows {}; row {first}: {reason}", rows.join(", ")),
        [] => unreachable!("a group has a row"),
    }));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_one_kind_share_a_line() {
        let anew = [
            (0, "its replay ended at step 3 of 9".to_owned()),
            (2, "its replay failed: row 2".to_owned()),
            (5, "its replay ended at step 12 of 40".to_owned()),
        ];
        let expected = [
            "3 of 8 rows begin a new episode:",
            "  rows 0, 5; row 0: its replay ended at step 3 of 9",
            "  row 2: its replay failed: row 2",
        ];
        assert_eq!(replay_notes(&anew, 8), expected);
        assert!(replay_notes(&[], 8).is_empty());
    }
}
