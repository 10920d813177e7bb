use super::*;
use crate::io::{Frame, write_volume};
use crate::{Geometry, Region, Unit, Volume, Voxel, VoxelType};
use ndarray::Array3;

fn numbers<T: Voxel>(shape: [usize; 3], seed: u64) -> Volume {
    let mut state = seed;
    T::into_volume(Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        T::from_f64((state >> 45) as f64)
    }))
}

#[test]
fn a_pyramid_is_written_and_read_back_by_region() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ome.zarr");
    let volume = numbers::<u16>([70, 131, 200], 1);
    let geometry = Geometry::from_spacing([0.3, 0.1, 0.1], Unit::Micrometre);
    write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
    let source = OmeZarr.open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(source.info().levels.len(), 3, "{:?}", source.info());
    assert_eq!(source.info().geometry(), geometry);
    assert_eq!(source.read_all(Frame::default()).unwrap(), volume);
    let region = Region::new([3, 60, 100], [50, 20, 90]);
    assert_eq!(source.read(Frame::default(), region).unwrap(), volume.crop(region));
    assert_eq!(source.info().voxel, VoxelType::U16);
}
