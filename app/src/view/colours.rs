//! Colours of intensities and labels.

use super::document::{Display, Show};
use serde::{Deserialize, Serialize};
use voxelry_core::picture::{DISTINCT, label_color};

/// Colours of intensities, from the least to the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Map {
    /// Black to white.
    Grey,
    /// White to black.
    Inverse,
    /// Blue, green, yellow; perceptually uniform.
    Viridis,
    /// Black, purple, yellow; perceptually uniform.
    Magma,
    /// Black, red, yellow; perceptually uniform.
    Inferno,
    /// Blue, yellow; looks the same to the colour-blind.
    Cividis,
    /// The rainbow, made even.
    Turbo,
    /// Dark red to ivory, as bone and wood look.
    Bone,
    /// Blue to red with white amid them, for differences.
    Balance,
    /// Black to a colour, for channels.
    Tint([u8; 3]),
}

impl Map {
    /// Those that have a name.
    pub const NAMED: [(Self, &'static str); 9] = [
        (Self::Grey, "Grey"),
        (Self::Inverse, "Inverse"),
        (Self::Bone, "Bone"),
        (Self::Viridis, "Viridis"),
        (Self::Magma, "Magma"),
        (Self::Inferno, "Inferno"),
        (Self::Cividis, "Cividis"),
        (Self::Turbo, "Turbo"),
        (Self::Balance, "Balance"),
    ];

    /// Name shown to the user.
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(map, _)| *map == self).map_or("Tint", |(_, name)| name)
    }

    /// The colour at a place from 0 to 1.
    pub fn at(self, place: f32) -> [u8; 3] {
        let place = place.clamp(0.0, 1.0);
        let grey = (place * 255.0).round() as u8;
        let of = |gradient: colorous::Gradient| gradient.eval_continuous(f64::from(place)).into_array();
        match self {
            Self::Grey => [grey; 3],
            Self::Inverse => [255 - grey; 3],
            Self::Viridis => of(colorous::VIRIDIS),
            Self::Magma => of(colorous::MAGMA),
            Self::Inferno => of(colorous::INFERNO),
            Self::Cividis => of(colorous::CIVIDIS),
            Self::Turbo => of(colorous::TURBO),
            Self::Balance => colorous::RED_BLUE.eval_continuous(f64::from(1.0 - place)).into_array(),
            Self::Bone => {
                const STOPS: [(f32, [f32; 3]); 5] = [
                    (0.0, [40.0, 10.0, 8.0]),
                    (0.3, [122.0, 52.0, 34.0]),
                    (0.55, [201.0, 142.0, 96.0]),
                    (0.8, [238.0, 215.0, 178.0]),
                    (1.0, [255.0, 250.0, 236.0]),
                ];
                let next = STOPS.iter().position(|s| s.0 >= place).unwrap_or(4).max(1);
                let ((x0, a), (x1, b)) = (STOPS[next - 1], STOPS[next]);
                let t = (place - x0) / (x1 - x0);
                std::array::from_fn(|i| (a[i] + (b[i] - a[i]) * t).round() as u8)
            }
            Self::Tint(colour) => colour.map(|c| (f32::from(c) * place).round() as u8),
        }
    }
}

/// Texels of the colours of intensities.
const TEXELS: usize = 256;

/// Colours for planes.
pub fn plane(display: &Display) -> Vec<[u8; 4]> {
    texels(|place| {
        let [r, g, b] = display.map.at(place);
        [r, g, b, 255]
    })
}

/// Colours with their opacities for three dimensions.
pub fn volume(display: &Display) -> Vec<[u8; 4]> {
    texels(|place| {
        let [r, g, b] = display.map.at(place);
        let alpha = if display.style.show == Show::Composite { display.style.opacity_at(place) } else { 1.0 };
        [r, g, b, (alpha.clamp(0.0, 1.0) * 255.0).round() as u8]
    })
}

/// Colours of labels; the first is that of label 1.
pub fn labels() -> Vec<[u8; 4]> {
    (1..=DISTINCT).map(label_color).map(|[r, g, b]| [r, g, b, 255]).collect()
}

fn texels(colour: impl Fn(f32) -> [u8; 4]) -> Vec<[u8; 4]> {
    (0..TEXELS).map(|i| colour(i as f32 / (TEXELS - 1) as f32)).collect()
}

/// Colours for channels that have none, in the usual order.
pub const CHANNELS: [[u8; 3]; 6] =
    [[0, 255, 0], [255, 0, 255], [0, 170, 255], [255, 200, 0], [255, 60, 60], [200, 200, 200]];
