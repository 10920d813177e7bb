//! One image minus another on the same grid, as an image of its own: read, made coarser and drawn like any other.

use super::colours::Map;
use super::document::{Layer, Subtraction};
use super::open;
use std::sync::Arc;
use voxelry_core::io::browse::{Browsed, Cache};
use voxelry_core::io::{self, Frame, ImageInfo, ImageSource};
use voxelry_core::volume::apart;
use voxelry_core::{Error, Region, Result, Volume, Voxel, VoxelType, with_volume};

/// A channel of an image at one time.
#[derive(Clone)]
struct Part {
    source: Arc<Browsed>,
    channel: usize,
    times: usize,
}

impl Part {
    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        // An image of one time frame is subtracted at all times.
        let time = frame.time.min(self.times - 1);
        self.source.read(Frame { channel: self.channel, time, ..frame }, region)
    }
}

/// See the module.
struct Difference {
    info: ImageInfo,
    from: Part,
    minus: Part,
}

impl ImageSource for Difference {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let (from, minus) = (self.from.read(frame, region)?, self.minus.read(frame, region)?);
        let minus: Vec<f64> = with_volume!(&minus, |a| a.iter().map(|v| v.to_f64()).collect());
        let values: Vec<f32> =
            with_volume!(&from, |a| { a.iter().zip(&minus).map(|(v, m)| (v.to_f64() - m) as f32).collect() });
        let array = ndarray::Array3::from_shape_vec(region.shape, values);
        Ok(Volume::from(array.expect("both have the region's shape")))
    }
}

/// A layer of `from` minus `minus`, intensities of which zero is in the middle of the colours.
///
/// # Errors
/// If the images do not have one grid.
pub fn difference(from: &Layer, minus: &Layer, cache: &Arc<Cache>) -> Result<Layer> {
    let (a, own) = (from.source.info(), minus.source.info());
    let on = io::on_grid(minus.source.source(), Frame::default(), (a, 0), false);
    let Some(on) = on.filter(|on| on.frame.level == 0 && on.source.info().shape() == a.shape()) else {
        let reason = apart(&from.name, (own.shape(), &own.geometry()), (a.shape(), &a.geometry()));
        return Err(Error::Usage(format!("{} {reason}", minus.name)));
    };
    let subtrahend = if Arc::ptr_eq(&on.source, minus.source.source()) {
        minus.source.clone()
    } else {
        Arc::new(Browsed::new(on.source, cache))
    };
    let b = subtrahend.info();
    let mut info = a.clone();
    info.format = "difference";
    info.voxel = VoxelType::F32;
    info.labels = false;
    info.times = a.times.max(b.times);
    info.channels.truncate(1);
    // Levels of the file are used where both have them.
    let given = from.source.given().min(subtrahend.given());
    let same = a.levels.iter().zip(&b.levels).take(given).take_while(|(a, b)| a.shape == b.shape).count();
    info.levels.truncate(same.max(1));
    info.metadata.clear();
    info.notes = vec![format!("{} minus {}, voxel by voxel", from.name, minus.name)];
    let minuend = Part { source: from.source.clone(), channel: from.channel, times: a.times };
    let times = b.times;
    let subtrahend = Part { source: subtrahend, channel: minus.channel, times };
    let source = Difference { info, from: minuend, minus: subtrahend };
    let name = format!("{} − {}", from.name, minus.name);
    let mut layer = open::layers_of(Arc::new(source), &name, None, cache)
        .pop()
        .ok_or_else(|| Error::Usage("an image has a channel".into()))?;
    layer.display.map = Map::Balance;
    if let (Some(path), Some(other), None, None) = (&from.path, &minus.path, &from.minus, &minus.minus) {
        (layer.path, layer.options) = (Some(path.clone()), from.options.clone());
        let open = minus.options.to_record();
        layer.minus =
            Some(Subtraction { channel: from.channel, path: other.clone(), other: minus.channel, open });
    }
    Ok(layer)
}
