//! Colours of labels: stable, far from one another where numbers are near, and seen on dark and bright grounds.

use std::sync::OnceLock;

/// Labels from 1 on of which each has a colour of its own. Larger ones share these.
pub const DISTINCT: u32 = 4096;

/// The colour of a label. Hue and lightness go through the sequence of least discrepancy in the plane (Roberts 2018,
/// "The unreasonable effectiveness of quasirandom sequences") in Oklab (Ottosson 2020), where equal distances look
/// equal.
pub fn label_color(label: u32) -> [u8; 3] {
    static COLORS: OnceLock<Vec<[u8; 3]>> = OnceLock::new();
    let colors = COLORS.get_or_init(|| (1..=DISTINCT).map(color).collect());
    colors[label_index(label) as usize]
}

/// The place of a label's colour among the [`DISTINCT`] ones: all bits of large labels count. `colour_of` in
/// `labels.wgsl` is its GPU kernel.
pub fn label_index(label: u32) -> u32 {
    let index = label.wrapping_sub(1);
    if index < DISTINCT { index } else { mixed(label) % DISTINCT }
}

/// A mixture of all bits (Wellons 2018, "Prospecting for hash functions").
fn mixed(mut bits: u32) -> u32 {
    bits = (bits ^ bits >> 16).wrapping_mul(0x7feb_352d);
    bits = (bits ^ bits >> 15).wrapping_mul(0x846c_a68b);
    bits ^ bits >> 16
}

fn color(label: u32) -> [u8; 3] {
    let turn = (f64::from(label) * 0.569_840_290_998_053_2).fract();
    let lightness = 0.56 + 0.3 * (f64::from(label) * 0.754_877_666_246_692_7).fract();
    let [sine, cosine] = [sine(turn), sine((turn + 0.25).fract())];
    // As much chroma as the screen has of this hue and lightness.
    let linear = (0..50)
        .map(|i| 0.25 - 0.005 * f64::from(i))
        .map(|chroma| linear([lightness, chroma * cosine, chroma * sine]))
        .find(|linear| linear.iter().all(|c| (0.0..=1.0).contains(c)));
    linear.unwrap_or([lightness.powi(3); 3]).map(|c| (encoded(c) * 255.0).round() as u8)
}

/// The sine of a part of a turn, to 1e-4; the same bits on every machine.
fn sine(turn: f64) -> f64 {
    let half = if turn < 0.5 { turn } else { turn - 0.5 };
    let x = if half < 0.25 { half * 4.0 } else { 2.0 - half * 4.0 };
    let square = x * x;
    let value = x * (1.570_790_1 - square * (0.645_892_8 - square * (0.079_434_3 - square * 0.004_333_1)));
    if turn < 0.5 { value } else { -value }
}

/// Linear red, green and blue of an Oklab colour.
fn linear([l, a, b]: [f64; 3]) -> [f64; 3] {
    let cube = |v: f64| v * v * v;
    let l_ = cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let m_ = cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let s_ = cube(l - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    [
        4.076_741_662_1 * l_ - 3.307_711_591_3 * m_ + 0.230_969_929_2 * s_,
        -1.268_438_004_6 * l_ + 2.609_757_401_1 * m_ - 0.341_319_396_5 * s_,
        -0.004_196_086_3 * l_ - 0.703_418_614_7 * m_ + 1.707_614_701_0 * s_,
    ]
}

/// The value of the screen for linear light, within 0.004; of square roots alone, which are the same on every machine.
fn encoded(linear: f64) -> f64 {
    let half = linear.max(0.0).sqrt();
    let (quarter, eighth) = (half.sqrt(), half.sqrt().sqrt());
    let value =
        0.662_002_687 * half + 0.684_122_060 * quarter - 0.323_583_601 * eighth - 0.022_541_147 * linear;
    value.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oklab of a colour of the screen.
    fn lab(color: [u8; 3]) -> [f64; 3] {
        let [r, g, b] = color.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
        let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
        let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
        [
            0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
        ]
    }

    #[test]
    fn labels_whose_numbers_are_near_look_different() {
        let labs: Vec<[f64; 3]> = (1..=64).map(|label| lab(label_color(label))).collect();
        // With hues alone, as it was once, the least distances were 0.074, 0.027, 0.005 and 0.001.
        for (count, least) in [(8, 0.14), (16, 0.085), (32, 0.05), (64, 0.04)] {
            for (i, a) in labs[..count].iter().enumerate() {
                for (j, b) in labs[..i].iter().enumerate() {
                    let away = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
                    assert!(away > least, "{} and {}: {away}", i + 1, j + 1);
                }
            }
        }
    }

    #[test]
    fn labels_are_told_from_dark_and_bright_grounds() {
        for label in 1..=DISTINCT {
            let lightness = lab(label_color(label))[0];
            assert!((0.53..0.89).contains(&lightness), "{label}: {lightness}");
            assert_ne!(label_color(label), label_color(label + 1));
        }
    }

    #[test]
    fn all_bits_of_a_label_count() {
        let base = label_color(1);
        for label in [(1 << 24) + 1, (1 << 12) + 1, (1 << 31) + 1, u32::MAX] {
            assert_ne!(label_color(label), base, "{label}");
        }
        let mut seen = std::collections::HashSet::new();
        seen.extend((0..1000u32).map(|i| label_index((1 << 24) + 1 + i)));
        assert!(seen.len() > 850, "{}", seen.len());
    }
}
