//! Where results lie in the arena: those that are needed at the same time do not overlap.

/// A result: its numbers, the step that makes it, and the last one that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// Numbers.
    pub len: usize,
    /// The first step that writes it.
    pub first: usize,
    /// The last step that reads or writes it.
    pub last: usize,
}

/// The offset of each value, and the numbers of all: the lowest place that is free for as long as the value lives, the longest values of a step first.
pub fn place(values: &[Value]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // The largest first: small ones fit between them.
    order.sort_by_key(|&i| (std::cmp::Reverse(values[i].len), values[i].first));
    let mut offsets = vec![usize::MAX; values.len()];
    let mut total = 0;
    for &i in &order {
        let value = values[i];
        let beside = |&j: &usize| {
            let other = values[j];
            offsets[j] != usize::MAX && other.first <= value.last && value.first <= other.last
        };
        let mut taken: Vec<(usize, usize)> =
            (0..values.len()).filter(beside).map(|j| (offsets[j], offsets[j] + values[j].len)).collect();
        taken.sort_unstable();
        let mut at = 0;
        for (start, end) in taken {
            if at + value.len <= start {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        total = total.max(at + value.len);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_takes_two_layers_at_a_time() {
        // 4 → 64 → 64 → 2.
        let value = |len, first| Value { len, first, last: first + 1 };
        let (offsets, total) = place(&[value(4, 0), value(64, 1), value(64, 2), value(2, 3)]);
        assert_eq!(total, 128 + 2_usize.saturating_sub(2));
        assert!(offsets.iter().all(|&at| at < 128));
    }

    proptest! {
        #[test]
        fn values_that_live_together_do_not_overlap(all in prop::collection::vec((1..40_usize, 0..20_usize, 0..6_usize), 1..30)) {
            let values: Vec<Value> =
                all.iter().map(|&(len, first, more)| Value { len, first, last: first + more }).collect();
            let (offsets, total) = place(&values);
            for (i, a) in values.iter().enumerate() {
                prop_assert!(offsets[i] + a.len <= total);
                for (j, b) in values.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let apart = offsets[i] + a.len <= offsets[j] || offsets[j] + b.len <= offsets[i];
                    prop_assert!(!together || apart);
                }
            }
        }
    }
}
