//! Cuts a rollout into the sequences that recurrent networks are trained on.

use phalanx_agents::Sequence;
use phalanx_envs::Episode;

/// Sequences of at most `length` transitions of T steps in N rows, each within one episode.
///
/// A sequence ends where an episode does, and at times that are multiples of `length`. `episode [T, N]` has how each step left its
/// episode, and nothing where the row was inactive. The state before transition t·N + row, at the start of a chunk, has the number
/// (t/length)·N + row; sequences that begin with an episode have none.
pub fn sequences(episode: &[Option<Episode>], rows: usize, length: usize) -> Vec<Sequence> {
    let (mut sequences, steps) = (Vec::new(), episode.len() / rows);
    for row in 0..rows {
        let mut running: Option<Sequence> = None;
        let mut begins = false;
        for t in 0..steps {
            let at = t * rows + row;
            let Some(now) = episode[at] else {
                sequences.extend(running.take());
                continue;
            };
            if t % length == 0 {
                sequences.extend(running.take());
            }
            let state = (!begins).then_some(t / length * rows + row);
            let sequence = running.get_or_insert(Sequence { start: at as i64, len: 0, state });
            sequence.len += 1;
            begins = now.is_over();
            if begins {
                sequences.extend(running.take());
            }
        }
        sequences.extend(running);
    }
    sequences
}

/// The transitions of these sequences, one sequence after the other.
pub fn transitions(sequences: &[Sequence], rows: usize) -> Vec<i64> {
    let each = |s: &Sequence| {
        let start = s.start;
        (0..s.len).map(move |i| start + (i * rows) as i64)
    };
    sequences.iter().flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_end_with_episodes_and_chunks() {
        use Episode::{LifeLost, Running, Terminated, Truncated};
        // Two rows of 5 steps; the second one rests after its episode.
        let first = [Running, Terminated, Running, LifeLost, Running].map(Some);
        let second = [Some(Running), Some(Running), Some(Truncated), None, None];
        let episode: Vec<_> = first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect();
        let found = sequences(&episode, 2, 3);
        let sequence = |start, len, state| Sequence { start, len, state };
        let expected = [
            sequence(0, 2, Some(0)),
            // After the end at time 1; a lost life does not end it, the chunk at time 3 does.
            sequence(4, 1, None),
            sequence(6, 2, Some(2)),
            sequence(1, 3, Some(1)),
        ];
        assert_eq!(found, expected);
        assert_eq!(transitions(&found, 2), [0, 2, 4, 6, 8, 1, 3, 5]);
    }

    /// An episode that begins where a chunk does has no state.
    #[test]
    fn an_episode_at_the_start_of_a_chunk_begins_with_zeros() {
        let episode = [Some(Episode::Terminated), Some(Episode::Running)];
        let found = sequences(&episode, 1, 1);
        assert_eq!(found[1], Sequence { start: 1, len: 1, state: None });
    }
}
