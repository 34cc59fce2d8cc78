//! Numbers for people.

/// `value` with some decimals, and more where it is small: two digits that are not zero are shown.
///
/// ```
/// use phalanx_algorithms::digits;
///
/// assert_eq!([200.0, -1.25, 0.5, 0.00043, 2e-9].map(|value| digits(value, 1)), ["200.0", "-1.2", "0.50", "0.00043", "2.0e-9"]);
/// ```
pub fn digits(value: f64, decimals: usize) -> String {
    let place = value.abs().log10().floor();
    match (1.0 - place).max(decimals as f64) {
        // Infinite for 0; NaN never compares.
        _ if value == 0.0 || !value.is_finite() => format!("{value:.decimals$}"),
        needed if needed <= 6.0 => format!("{value:.0$}", needed as usize),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_not_zero_and_large_ones_have_their_decimals() {
        let two = [1234.567, 0.126, 0.0126, 0.000_012_6, -0.000_001_26, 0.0, -0.0, f64::NAN, f64::INFINITY];
        let shown = two.map(|value| digits(value, 2));
        assert_eq!(shown, ["1234.57", "0.13", "0.013", "0.000013", "-1.3e-6", "0.00", "-0.00", "NaN", "inf"]);
        assert_eq!(digits(0.00126, 4), "0.0013");
    }
}
