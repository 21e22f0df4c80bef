//! How deep a needle reaches that is held at an angle.

/// How deep a needle of this length reaches at this angle, in µm, rounded up.
pub(super) fn reach_um(length_um: i64, angle_degrees: u8) -> Option<i64> {
    let sine = *SINES.get(usize::from(angle_degrees))?;
    Some((length_um.saturating_mul(sine) + 9_999).div_euclid(10_000))
}

/// Sines of 0 to 90 degrees in ten-thousandths, rounded up so that no depth reads too small.
const SINES: [i64; 91] = [
    0, 175, 349, 524, 698, 872, 1_046, 1_219, 1_392, 1_565, 1_737, 1_909, 2_080, 2_250, 2_420,
    2_589, 2_757, 2_924, 3_091, 3_256, 3_421, 3_584, 3_747, 3_908, 4_068, 4_227, 4_384, 4_540,
    4_695, 4_849, 5_000, 5_151, 5_300, 5_447, 5_592, 5_736, 5_878, 6_019, 6_157, 6_294, 6_428,
    6_561, 6_692, 6_820, 6_947, 7_072, 7_194, 7_314, 7_432, 7_548, 7_661, 7_772, 7_881, 7_987,
    8_091, 8_192, 8_291, 8_387, 8_481, 8_572, 8_661, 8_747, 8_830, 8_911, 8_988, 9_064, 9_136,
    9_206, 9_272, 9_336, 9_397, 9_456, 9_511, 9_564, 9_613, 9_660, 9_703, 9_744, 9_782, 9_817,
    9_849, 9_877, 9_903, 9_926, 9_946, 9_962, 9_976, 9_987, 9_994, 9_999, 10_000,
];
