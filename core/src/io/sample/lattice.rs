//! Objects on a jittered body-centred cubic lattice: each place knows its objects from the seed
//! alone, so that any region of an image of any size can be made by itself.

use crate::io::sample::random::Stream;

/// A lattice site: three cell indices, and 0 for the corner or 1 for the centre of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Cell along `z, y, x`.
    pub cell: [i64; 3],
    /// Corner or centre.
    pub body: i64,
}

/// The jittered lattice; lengths in µm.
#[derive(Debug, Clone, Copy)]
pub struct Lattice {
    /// Seed of the sample.
    pub seed: u64,
    /// Edge of the cubic cell, which holds two sites.
    pub pitch: f64,
    /// Greatest displacement of a site along each axis, as a fraction of the pitch.
    pub jitter: f64,
    /// Extent of the image, which labels are numbered for.
    pub cells: [i64; 3],
}

/// Cells beyond the image on either side that have labels.
const MARGIN: i64 = 3;

impl Lattice {
    /// The lattice for an image of this extent.
    pub fn new(seed: u64, pitch: f64, jitter: f64, extent: [f64; 3]) -> Self {
        Self { seed, pitch, jitter, cells: extent.map(|e| (e / pitch).ceil() as i64) }
    }

    /// Where a site lies, and the numbers that belong to it.
    pub fn place(&self, site: Site) -> ([f64; 3], Stream) {
        let Site { cell: [z, y, x], body } = site;
        let mut stream = Stream::new(self.seed, 1 + body as u64, [z, y, x]);
        let centre = std::array::from_fn(|a| {
            (site.cell[a] as f64 + 0.5 * body as f64 + stream.between(-self.jitter, self.jitter)) * self.pitch
        });
        (centre, stream)
    }

    /// The sites that may lie within `reach` of a box.
    pub fn near(&self, low: [f64; 3], high: [f64; 3], reach: f64) -> impl Iterator<Item = Site> {
        let slack = reach + self.jitter * self.pitch;
        let first: [i64; 3] = low.map(|v| ((v - slack) / self.pitch - 0.5).floor() as i64);
        let last: [i64; 3] = high.map(|v| ((v + slack) / self.pitch).ceil() as i64);
        (first[0]..=last[0]).flat_map(move |z| {
            (first[1]..=last[1]).flat_map(move |y| {
                (first[2]..=last[2]).flat_map(move |x| [0, 1].map(|body| Site { cell: [z, y, x], body }))
            })
        })
    }

    /// The label of a site: unique within the image and its surroundings. Sites farther out, which
    /// can't be seen in the image, have none.
    pub fn label(&self, site: Site) -> Option<u32> {
        let mut number = 0u64;
        for a in 0..3 {
            let (index, count) = (site.cell[a] + MARGIN, self.cells[a] + 2 * MARGIN);
            if index < 0 || index >= count {
                return None;
            }
            number = number * count as u64 + index as u64;
        }
        u32::try_from(number * 2 + site.body as u64 + 1).ok()
    }

    /// The site of a label.
    pub fn site(&self, label: u32) -> Site {
        let number = u64::from(label) - 1;
        let (mut rest, body) = (number / 2, (number % 2) as i64);
        let mut cell = [0; 3];
        for a in (0..3).rev() {
            let count = (self.cells[a] + 2 * MARGIN) as u64;
            cell[a] = (rest % count) as i64 - MARGIN;
            rest /= count;
        }
        Site { cell, body }
    }

    /// Whether every label fits.
    pub fn fits(&self) -> bool {
        let sites = self.cells.iter().map(|&n| (n + 2 * MARGIN) as u128).product::<u128>() * 2;
        sites <= u128::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_sites_are_one_to_one() {
        let lattice = Lattice::new(1, 10.0, 0.2, [35.0, 20.0, 1.0]);
        for label in 1..200 {
            assert_eq!(lattice.label(lattice.site(label)), Some(label));
        }
        assert_eq!(lattice.label(Site { cell: [-4, 0, 0], body: 0 }), None);
    }

    #[test]
    fn no_near_site_is_missed() {
        let lattice = Lattice::new(3, 7.0, 0.3, [40.0; 3]);
        let (low, high, reach) = ([10.0, 11.0, 12.0], [14.0, 15.0, 13.0], 9.0);
        let near: Vec<Site> = lattice.near(low, high, reach).collect();
        for site in lattice.near([-30.0; 3], [60.0; 3], 0.0) {
            let (c, _) = lattice.place(site);
            let gap: f64 = (0..3).map(|a| (low[a] - c[a]).max(c[a] - high[a]).max(0.0).powi(2)).sum();
            assert!(gap.sqrt() > reach || near.contains(&site), "{site:?}");
        }
    }
}
