//! Cuts a rollout into the sequences that recurrent networks are trained on.

use phalanx_agents::Sequence;
use phalanx_envs::Episode;

/// How a rollout is cut into sequences.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Steps of a sequence at most.
    pub length: usize,
    /// Earlier steps that the state before it is computed through again, at most.
    pub burn_in: usize,
}

impl Cut {
    /// Chunks whose hidden states are those before step `t`: a chunk begins at each multiple of the length, its burn-in before it, but not
    /// before the rollout does.
    pub fn states_at(self, t: usize, steps: usize) -> usize {
        let begins = |start: &usize| start.saturating_sub(self.burn_in) == t;
        (0..steps).step_by(self.length).filter(begins).count()
    }
}

/// Sequences of T steps in N rows, each within one episode.
///
/// A sequence ends where an episode does, and at times that are multiples of the length. `episode [T, N]` has how each step left its
/// episode, and nothing where the row was inactive. The state before the burn-in of transition t·N + row, at the start of a chunk, has the
/// number (t/length)·N + row; sequences that begin with an episode, or whose burn-in does, have none.
pub fn sequences(episode: &[Option<Episode>], rows: usize, Cut { length, burn_in }: Cut) -> Vec<Sequence> {
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
            let sequence = running.get_or_insert_with(|| {
                let chunk = (!begins).then_some(t / length * rows + row);
                // Steps since the episode began.
                let goes_on = |&t: &usize| episode[t * rows + row].is_some_and(|left| !left.is_over());
                let since = (0..t).rev().take(burn_in).take_while(goes_on).count();
                let state = chunk.filter(|_| since == t.min(burn_in));
                Sequence { start: at as i64, len: 0, state, burn_in: chunk.map_or(0, |_| since) }
            });
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

    fn cut(length: usize, burn_in: usize) -> Cut {
        Cut { length, burn_in }
    }

    #[test]
    fn a_burn_in_goes_back_to_the_start_of_the_episode_or_the_rollout() {
        use Episode::{Running, Truncated};
        // One row of 9 steps, sequences of 2 after 3 steps of burn-in.
        let episode = [Running, Running, Running, Truncated, Running, Running, Running, Running, Running];
        let found = sequences(&episode.map(Some), 1, cut(2, 3));
        let sequence = |start, len, state, burn_in| Sequence { start, len, state, burn_in };
        let expected = [
            sequence(0, 2, Some(0), 0),
            // From the start of the rollout on.
            sequence(2, 2, Some(1), 2),
            // An episode begins, at 4.
            sequence(4, 2, None, 0),
            sequence(6, 2, None, 2),
            sequence(8, 1, Some(4), 3),
        ];
        assert_eq!(found, expected);
        // States of the chunks at 0 and 2 are those before step 0; of those at 4, 6 and 8 before 1, 3 and 5.
        let counts: Vec<usize> = (0..9).map(|t| cut(2, 3).states_at(t, 9)).collect();
        assert_eq!(counts, [2, 1, 0, 1, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn sequences_end_with_episodes_and_chunks() {
        use Episode::{LifeLost, Running, Terminated, Truncated};
        // Two rows of 5 steps; the second one rests after its episode.
        let first = [Running, Terminated, Running, LifeLost, Running].map(Some);
        let second = [Some(Running), Some(Running), Some(Truncated), None, None];
        let episode: Vec<_> = first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect();
        let found = sequences(&episode, 2, cut(3, 0));
        let sequence = |start, len, state| Sequence { start, len, state, burn_in: 0 };
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
        let found = sequences(&episode, 1, cut(1, 0));
        assert_eq!(found[1], Sequence { start: 1, len: 1, state: None, burn_in: 0 });
    }
}
