//! Voxels and nothing else (`.raw`): shape, type, byte order and offset come from the user.

use super::planar::sink::{FrameOrder, Plan, Wrap};
use super::planar::{Codec, Layout, Planar, Sample, Store, byte_count, file_len, sink, slab};
use super::{Channel, Format, ImageInfo, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use crate::{Error, Geometry, Result};
use std::path::Path;

/// The format.
pub(super) struct Raw;

impl Format for Raw {
    fn id(&self) -> &'static str {
        "raw"
    }

    fn name(&self) -> &'static str {
        "Raw voxels"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["raw.gz", "raw", "vol", "bin"]
    }

    fn recognises(&self, path: &Path, _head: &[u8]) -> bool {
        super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let (Some(shape), Some(voxel)) = (options.shape, options.voxel) else {
            return Err(Error::file(
                path,
                "a raw file does not say what it holds: give its shape as z,y,x and its voxel type",
            ));
        };
        let len = byte_count(path, "the shape", &shape.map(|n| n as u64), voxel.size())?;
        if len == 0 {
            return Err(Error::Usage(format!("the shape {shape:?} has no voxels")));
        }
        let layout = Layout::c_order(Sample::Plain(voxel), options.big_endian, shape);
        let chunk = slab(shape, voxel.size(), 1 << 20);
        let mut info = ImageInfo::simple("raw", shape, chunk, voxel, Geometry::default());
        let store = if super::nifti::ends_in_gz(path) {
            Store::stream(path, vec![(path.to_owned(), 0)], Codec::Gzip, options.offset, len)?
        } else {
            let rest = file_len(path)?.saturating_sub(options.offset);
            if rest < len {
                return Err(Error::file(
                    path,
                    format!("{shape:?} voxels of {voxel} take {len} bytes, but {rest} are there"),
                ));
            }
            if rest > len {
                info.notes.push(format!("{} bytes after the voxels are not read", rest - len));
            }
            Store::file(path, options.offset)?
        };
        Ok(Box::new(Planar::new(path, info, layout, store)?))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let [z, y, x] = spec.shape;
        let mut losses =
            vec![format!("a raw file keeps voxels only; note that they are {z},{y},{x} of {}", spec.voxel)];
        if spec.geometry != Geometry::default() {
            losses.push("a raw file keeps no spacing, unit, position or orientation".into());
        }
        if spec.channels.len() * spec.times > 1 || spec.channels.iter().any(|c| *c != Channel::default()) {
            losses.push("a raw file keeps no channels or times: all volumes follow each other".into());
        }
        losses
    }

    fn create(&self, path: &Path, spec: &ImageSpec, _options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let gzip = super::nifti::ends_in_gz(path);
        let plan = Plan {
            data: path.to_owned(),
            prefix: Vec::new(),
            inner_prefix: Vec::new(),
            header: None,
            wrap: if gzip { Wrap::Gzip } else { Wrap::Raw },
            order: FrameOrder::TimeChannel,
            size_at: None,
        };
        sink::create(plan, spec)
    }
}
