//! Image file directories as they are written: little-endian, values behind the entries.

use super::description::Style;
use crate::io::ImageSpec;
use crate::{Unit, VoxelType};

/// What the directories have in common.
pub(super) struct Directories<'a> {
    pub spec: &'a ImageSpec,
    pub wide: bool,
    pub compress: bool,
    pub predictor: u16,
    pub rows_per_strip: usize,
    pub style: Style,
}

const SHORT: u16 = 3;
const LONG: u16 = 4;
const LONG8: u16 = 16;

impl Directories<'_> {
    /// One directory that stands at `at`, with the values it refers to.
    pub(super) fn encode(&self, first: bool, last: bool, at: u64, strips: &[(u64, u64)]) -> Vec<u8> {
        let [_, height, width] = self.spec.shape;
        let format: u16 = match self.spec.voxel {
            VoxelType::U8 | VoxelType::U16 | VoxelType::U32 | VoxelType::U64 => 1,
            VoxelType::F32 | VoxelType::F64 => 3,
            _ => 2,
        };
        let short = |v: u16| v.to_le_bytes().to_vec();
        let long = |v: usize| (v as u32).to_le_bytes().to_vec();
        let offset_kind = if self.wide { LONG8 } else { LONG };
        let words = |values: &mut dyn Iterator<Item = u64>| -> Vec<u8> {
            values
                .flat_map(|v| {
                    if self.wide { v.to_le_bytes().to_vec() } else { (v as u32).to_le_bytes().to_vec() }
                })
                .collect()
        };
        let mut entries: Vec<(u16, u16, usize, Vec<u8>)> = vec![
            (256, LONG, 1, long(width)),
            (257, LONG, 1, long(height)),
            (258, SHORT, 1, short(8 * self.spec.voxel.size() as u16)),
            (259, SHORT, 1, short(if self.compress { 8 } else { 1 })),
            (262, SHORT, 1, short(1)),
            (273, offset_kind, strips.len(), words(&mut strips.iter().map(|s| s.0))),
            (277, SHORT, 1, short(1)),
            (278, LONG, 1, long(self.rows_per_strip)),
            (279, offset_kind, strips.len(), words(&mut strips.iter().map(|s| s.1))),
        ];
        if first {
            let mut text = self.style.text(self.spec).into_bytes();
            text.push(0);
            entries.push((270, 2, text.len(), text));
            entries.push((305, 2, 8, b"Voxelry\0".to_vec()));
        }
        let ([_, y, x], unit) = self.resolution();
        entries.push((282, 5, 1, rational(1.0 / x)));
        entries.push((283, 5, 1, rational(1.0 / y)));
        entries.push((296, SHORT, 1, short(unit)));
        if self.predictor != 1 {
            entries.push((317, SHORT, 1, short(self.predictor)));
        }
        entries.push((339, SHORT, 1, short(format)));
        entries.sort_by_key(|e| e.0);

        let (head, size, limit) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let table = head + size * entries.len() + limit;
        let mut values_at = (at + table as u64).next_multiple_of(8);
        let values_start = values_at;
        let mut out = Vec::new();
        let mut values = Vec::new();
        if self.wide {
            out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
        } else {
            out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        }
        let word = |out: &mut Vec<u8>, v: u64| out.extend_from_slice(&v.to_le_bytes()[..limit]);
        for (tag, kind, count, mut value) in entries {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&kind.to_le_bytes());
            word(&mut out, count as u64);
            if value.len() <= limit {
                value.resize(limit, 0);
                out.extend_from_slice(&value);
            } else {
                word(&mut out, values_at);
                value.resize(value.len().next_multiple_of(8), 0);
                values_at += value.len() as u64;
                values.extend_from_slice(&value);
            }
        }
        word(&mut out, if last { 0 } else { values_at });
        out.resize((values_start - at) as usize, 0);
        out.extend_from_slice(&values);
        out
    }

    /// Spacing `[z, y, x]` in the unit of the resolution tags, and that unit's code.
    fn resolution(&self) -> ([f64; 3], u16) {
        let geometry = &self.spec.geometry;
        let spacing = geometry.spacing().map(|s| if s > 0.0 && s.is_finite() { s } else { 1.0 });
        match (self.style, geometry.unit.metres()) {
            (Style::ImageJ, _) if geometry.unit != Unit::Centimetre => (spacing, 1),
            (_, Some(metres)) => (spacing.map(|s| s * metres * 100.0), 3),
            (_, None) => (spacing, 1),
        }
    }
}

/// The fraction of two 32-bit numbers that is nearest to a positive value, by continued fractions.
fn rational(value: f64) -> Vec<u8> {
    let limit = f64::from(u32::MAX);
    let (mut n0, mut d0, mut n1, mut d1) = (0.0f64, 1.0f64, 1.0f64, 0.0f64);
    let mut rest = value.clamp(1.0 / limit, limit);
    for _ in 0..40 {
        let whole = rest.floor();
        let (n2, d2) = (whole * n1 + n0, whole * d1 + d0);
        if n2 > limit || d2 > limit {
            break;
        }
        (n0, d0, n1, d1) = (n1, d1, n2, d2);
        let fraction = rest - whole;
        if fraction < 1e-12 || ((n1 / d1) - value).abs() <= value * f64::EPSILON {
            break;
        }
        rest = 1.0 / fraction;
    }
    let (n, d) = if d1 == 0.0 { (limit, 1.0) } else { (n1.max(1.0), d1) };
    [(n as u32).to_le_bytes(), (d as u32).to_le_bytes()].concat()
}
