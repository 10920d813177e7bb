//! The store of images on the device.

use voxelry_core::io::ImageInfo;
use voxelry_core::{Geometry, VoxelType};
use voxelry_shaders::bricks::{Layout, Texels};
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::store::Store;

#[test]
fn images_of_all_kinds_share_one_budget() {
    let Ok(gpu) = Gpu::headless() else { return };
    let features = gpu.device.features();
    let budget = 16 << 20;
    let mut store = Store::new(gpu, budget);
    let layout = |voxel: VoxelType| {
        let info = ImageInfo::simple("test", [400; 3], [64; 3], voxel, Geometry::default());
        Layout::new(&info.levels)
    };
    for (voxel, labels) in [(VoxelType::U8, false), (VoxelType::U32, true), (VoxelType::F32, false)] {
        let image = store.add(layout(voxel), Texels::of(voxel, labels, features)).unwrap();
        assert!(store.bytes() <= budget, "{voxel}: {} of {budget}", store.bytes());
        assert!(store.share(image, 1) > 0, "{voxel}");
    }
}
