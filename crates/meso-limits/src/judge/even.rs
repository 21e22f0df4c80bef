//! How even a segment is, in whole numbers.

use super::segment::Spread;

/// Whether the coefficient of variation is above so many ‰.
///
/// The square of the coefficient is `(n Σx² − (Σx)²) / (Σx)²`, so nothing is divided.
pub(super) fn passes_variation(spread: &Spread, permille: i64) -> bool {
    let limit = u128::from(permille.unsigned_abs());
    let square_sum = u128::from(spread.sum) * u128::from(spread.sum);
    let spread_of = (u128::from(spread.count) * spread.squares).saturating_sub(square_sum);
    spread_of * 1_000_000 > limit * limit * square_sum
}

/// The coefficient of variation in ‰, rounded up.
pub(super) fn variation_permille(spread: &Spread) -> i64 {
    let square_sum = u128::from(spread.sum) * u128::from(spread.sum);
    if square_sum == 0 {
        return 0;
    }
    let spread_of = (u128::from(spread.count) * spread.squares).saturating_sub(square_sum);
    let spread_of = spread_of * 1_000_000;
    let root = spread_of.div_ceil(square_sum);
    let floor = root.isqrt();
    let up = floor + u128::from(floor * floor < root);
    i64::try_from(up).unwrap_or(i64::MAX)
}

/// Whether the mean is off its set point by more than so many ‰.
pub(super) fn passes_drift(spread: &Spread, permille: i64) -> bool {
    let off = u128::from(spread.deviation.unsigned_abs()) * 1_000;
    off > u128::from(permille.unsigned_abs()) * u128::from(spread.set_sum)
}

/// How far the mean is off its set point in ‰, whichever way, rounded up.
pub(super) fn drift_permille(spread: &Spread) -> i64 {
    if spread.set_sum == 0 {
        return if spread.deviation == 0 { 0 } else { i64::MAX };
    }
    let off = u128::from(spread.deviation.unsigned_abs()) * 1_000;
    i64::try_from(off.div_ceil(spread.set_sum.into())).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[u64]) -> Spread {
        Spread {
            count: values.len() as u64,
            sum: values.iter().sum(),
            squares: values.iter().map(|v| u128::from(*v) * u128::from(*v)).sum(),
            ..Spread::default()
        }
    }

    #[test]
    fn equal_values_have_no_variation() {
        let even = spread(&[20_000; 50]);
        assert_eq!(variation_permille(&even), 0);
        assert!(!passes_variation(&even, 0));
    }

    #[test]
    fn half_at_90_and_half_at_110_vary_by_a_tenth() {
        let values: Vec<u64> = [18_000, 22_000].repeat(10);
        let uneven = spread(&values);
        assert_eq!(variation_permille(&uneven), 100);
        assert!(!passes_variation(&uneven, 100), "on the limit is within it");
        assert!(passes_variation(&uneven, 99));
    }

    #[test]
    fn a_drift_counts_whichever_way() {
        for deviation in [-1_000, 1_000] {
            let drifting = Spread {
                set_sum: 10_000,
                deviation,
                ..Spread::default()
            };
            assert_eq!(drift_permille(&drifting), 100);
            assert!(!passes_drift(&drifting, 100));
            assert!(passes_drift(&drifting, 99));
        }
    }
}
