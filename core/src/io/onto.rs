//! An image laid on the grid of another, by their places in the world.

use super::{Frame, ImageInfo, ImageSource, Level, Seal};
use crate::volume::{Turn, covers, same_spacing, turn_onto};
use crate::{Geometry, Job, Region, Result, Unit, Volume};
use std::path::PathBuf;
use std::sync::Arc;

/// A frame of an image, on the grid of another image.
pub struct OnGrid {
    /// The image, with its axes in the order of the other's.
    pub source: Arc<dyn ImageSource>,
    /// The frame; its level is the one with that grid.
    pub frame: Frame,
    /// How its axes were reordered, if they were.
    pub turn: Option<Turn>,
}

/// Lays a frame of an image on the grid of a level of another. Flips and permutations of axes are undone, and of several
/// levels the one with that grid is taken, the frame's own first. An image whose file says nothing of its geometry fits
/// any of its shape; where one file gives spacings and no places (TIFF, say), spacings are compared. `by_index`: only the
/// shapes must be the same.
///
/// `None` if no level of the image lies on that grid.
pub fn on_grid(
    source: &Arc<dyn ImageSource>,
    frame: Frame,
    to: (&ImageInfo, usize),
    by_index: bool,
) -> Option<OnGrid> {
    let info = source.info();
    let Level { shape, geometry, .. } = to.0.levels[to.1];
    let others = (0..info.levels.len()).filter(|l| *l != frame.level);
    std::iter::once(frame.level).chain(others).find_map(|level| {
        let own = info.levels.get(level)?;
        let turn = if covers(own.shape, shape) && (by_index || fits_by_index((info, level), to)) {
            Turn::NONE
        } else if by_index {
            return None;
        } else {
            turn_onto((shape, &geometry), (own.shape, &own.geometry))?
        };
        let frame = Frame { level, ..frame };
        if turn == Turn::NONE && own.geometry == geometry {
            return Some(OnGrid { source: source.clone(), frame, turn: None });
        }
        let turned = Turned::new(source.clone(), turn, (level, &geometry));
        let turn = (turn != Turn::NONE).then_some(turn);
        Some(OnGrid { source: Arc::new(turned), frame, turn })
    })
}

/// An image with its lengths in another unit; the same where either unit is unknown.
pub fn in_unit(source: Arc<dyn ImageSource>, unit: Unit) -> Arc<dyn ImageSource> {
    let own = source.info().geometry();
    if own.in_unit(unit) == own {
        return source;
    }
    Arc::new(Turned::new(source, Turn::NONE, (0, &own.in_unit(unit))))
}

/// Whether what two files say of their geometries leaves it to the indices.
fn fits_by_index(own: (&ImageInfo, usize), to: (&ImageInfo, usize)) -> bool {
    let (a, b) = (own.0.levels[own.1].geometry, to.0.levels[to.1].geometry);
    a.is_unstated()
        || b.is_unstated()
        || (is_placeless(own) || is_placeless(to)) && same_spacing(own.0.levels[own.1].shape, &b, &a)
}

/// Whether a file gives spacings, but not where the image lies: of its format some or all files don't.
fn is_placeless((info, level): (&ImageInfo, usize)) -> bool {
    let Level { shape, geometry, .. } = &info.levels[level];
    if geometry.oriented {
        return false;
    }
    let (world, spacing) = (geometry.world_from_index, geometry.spacing());
    let centre = geometry.world(shape.map(|n| (n - 1) as f64 / 2.0));
    match info.format {
        "tiff" | "ome-tiff" | "slices" | "raw" | "npy" | "hdf5" | "nrrd" | "metaimage" => {
            *geometry == Geometry::from_spacing(spacing, geometry.unit)
        }
        // Without a transform it lies about its centre.
        "nifti" => centre.abs().max_element() <= 1e-4 * world.matrix3.x_axis.length().max(spacing[0]),
        _ => false,
    }
}

/// An image with its axes in another order.
struct Turned {
    source: Arc<dyn ImageSource>,
    turn: Turn,
    info: ImageInfo,
}

impl Turned {
    /// The level that is on the other grid gets exactly its geometry.
    fn new(source: Arc<dyn ImageSource>, turn: Turn, (level, geometry): (usize, &Geometry)) -> Self {
        let mut info = source.info().clone();
        for (number, level_info) in info.levels.iter_mut().enumerate() {
            let turned = turn.geometry(&level_info.geometry, level_info.shape);
            level_info.geometry = if number == level { *geometry } else { turned.in_unit(geometry.unit) };
            level_info.shape = turn.shape(level_info.shape);
            level_info.chunk = turn.shape(level_info.chunk);
        }
        Self { source, turn, info }
    }

    fn own(&self, frame: Frame, region: Region) -> Region {
        self.turn.source(region, self.source.info().levels[frame.level].shape)
    }

    fn turned(&self, volume: Volume) -> Result<Volume> {
        if self.turn == Turn::NONE { Ok(volume) } else { self.turn.apply(&volume, &Job::silent()) }
    }
}

impl ImageSource for Turned {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.turned(self.source.read(frame, self.own(frame, region))?)
    }

    fn read_all(&self, frame: Frame) -> Result<Volume> {
        self.turned(self.source.read_all(frame)?)
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        self.source.is_stored(frame, self.own(frame, Region::new(region.start, [1; 3])))
    }

    fn absent(&self) -> u64 {
        self.source.absent()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn seal(&self) -> Result<Seal> {
        self.source.seal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VoxelType;
    use crate::volume::Voxel;
    use glam::{DMat3, DVec3};
    use ndarray::Array3;

    struct Held(ImageInfo, Volume);

    impl ImageSource for Held {
        fn info(&self) -> &ImageInfo {
            &self.0
        }

        fn read(&self, _: Frame, region: Region) -> Result<Volume> {
            Ok(self.1.crop(region))
        }
    }

    fn held(format: &'static str, shape: [usize; 3], geometry: Geometry) -> Arc<dyn ImageSource> {
        let [_, ny, nx] = shape;
        let voxels = Array3::from_shape_fn(shape, |(z, y, x)| ((z * ny + y) * nx + x) as u16);
        let info = ImageInfo::simple(format, shape, [2; 3], VoxelType::U16, geometry);
        Arc::new(Held(info, u16::into_volume(voxels)))
    }

    fn oriented(spacing: [f64; 3], origin: [f64; 3]) -> Geometry {
        let mut geometry = Geometry::from_spacing(spacing, Unit::Millimetre);
        geometry.world_from_index.translation = DVec3::from(origin);
        Geometry { oriented: true, ..geometry }
    }

    const SHAPE: [usize; 3] = [4, 5, 6];

    #[test]
    fn a_turned_image_is_read_in_the_order_of_the_other() {
        let to = held("nifti", SHAPE, oriented([3.0, 2.0, 1.0], [-7.0, 1.0, 2.0]));
        for turn in Turn::all().into_iter().step_by(7) {
            let (shape, there) = (turn.shape(SHAPE), turn.geometry(&to.info().geometry(), SHAPE));
            let own = held("nrrd", shape, there.in_unit(Unit::Micrometre));
            let on = on_grid(&own, Frame::default(), (to.info(), 0), false).expect("it is the same grid");
            assert_eq!(on.source.info().geometry(), to.info().geometry());
            assert_eq!(on.source.info().shape(), SHAPE);
            let Volume::U16(all) = own.read_all(Frame::default()).unwrap() else { panic!("u16") };
            let part = Region::new([1, 2, 3], [2, 3, 2]);
            let Volume::U16(read) = on.source.read(Frame::default(), part).unwrap() else { panic!("u16") };
            let index = own.info().geometry().world_from_index.inverse();
            for ((z, y, x), v) in read.indexed_iter() {
                let at = [z, y, x].map(|i| i as f64);
                let place = to.info().geometry().world(std::array::from_fn(|a| at[a] + part.start[a] as f64));
                let at = index.transform_point3(place * 1000.0).round();
                assert_eq!(*v, all[[at.z as usize, at.y as usize, at.x as usize]], "{turn}");
            }
        }
    }

    #[test]
    fn what_a_file_does_not_say_is_left_to_the_indices() {
        let to = held("nifti", SHAPE, oriented([3.0, 2.0, 1.0], [-7.0, 1.0, 2.0]));
        let fits = |own: &Arc<dyn ImageSource>, to: &Arc<dyn ImageSource>, by_index| {
            on_grid(own, Frame::default(), (to.info(), 0), by_index).is_some()
        };
        let spaced = |z: f64, unit| Geometry::from_spacing([z, 2.0, 1.0], unit);
        let mut centred = spaced(3.0, Unit::Millimetre);
        centred.world_from_index.matrix3 *= DMat3::from_diagonal(DVec3::new(-1.0, 1.0, 1.0));
        centred.world_from_index.translation = -(centred.world([1.5, 2.0, 2.5]));
        for (own, expected) in [
            (held("npy", SHAPE, Geometry::default()), true),
            (held("npy", [4, 5, 7], Geometry::default()), false),
            (held("tiff", SHAPE, spaced(3.0, Unit::Millimetre)), true),
            (held("tiff", SHAPE, spaced(6.0, Unit::Voxel)), false),
            (held("tiff", SHAPE, spaced(3.0, Unit::Voxel)), true),
            (held("tiff", SHAPE, spaced(3.0, Unit::Micrometre)), false),
            (held("nifti", SHAPE, centred), true),
            // These formats always say where an image lies.
            (held("ome-zarr", SHAPE, spaced(3.0, Unit::Millimetre)), false),
            (held("nifti", SHAPE, oriented([3.0, 2.0, 1.0], [0.0; 3])), false),
        ] {
            let info = own.info();
            assert_eq!(fits(&own, &to, false), expected, "{} {:?}", info.format, info.geometry());
            assert_eq!(fits(&to, &own, false), expected, "{} {:?}", info.format, info.geometry());
            assert_eq!(fits(&own, &to, true), info.shape() == SHAPE);
        }
        // Parts of one image at different places.
        let part = |z: f64| held("ome-zarr", SHAPE, spaced(3.0, Unit::Millimetre).cropped([z, 0.0, 0.0]));
        assert!(fits(&part(2.0), &part(2.0), false) && !fits(&part(0.0), &part(2.0), false));
    }
}
