//! What is done to one object as a whole.

use crate::labels::{Edit, Mask};
use crate::ops::{Operator, on_volumes};
use crate::program::{Kind, Produces};
use crate::{Job, Region, Result, Volume, VoxelType};
use ndarray::Array3;

/// A change of one object. Lengths are in voxels, or in the unit of the image, as on the command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Grows by a length.
    Grow(String),
    /// Shrinks by a length.
    Shrink(String),
    /// Takes away what is thinner than twice a length, and fills gaps that are.
    Smooth(String),
    /// Fills its holes.
    Fill,
    /// Keeps its largest part.
    Largest,
    /// Takes parts away of fewer voxels than this.
    Remove(u64),
}

impl Change {
    /// Its name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Grow(_) => "Grow",
            Self::Shrink(_) => "Shrink",
            Self::Smooth(_) => "Smooth",
            Self::Fill => "Fill holes",
            Self::Largest => "Keep the largest part",
            Self::Remove(_) => "Remove small parts",
        }
    }

    /// The operators that do it, with their parameters.
    fn steps(&self) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        let ball = |r: &String| vec![("shape", "ball".to_owned()), ("radius", r.clone())];
        match self {
            Self::Grow(r) => vec![("dilate", ball(r))],
            Self::Shrink(r) => vec![("erode", ball(r))],
            Self::Smooth(r) => vec![("open", ball(r)), ("close", ball(r))],
            Self::Fill => vec![("fill-holes", vec![])],
            Self::Largest => vec![("keep-largest", vec![])],
            Self::Remove(n) => vec![("remove-small", vec![("min_size", n.to_string())])],
        }
    }

    /// How many voxels beyond the object can change, at most.
    fn halo(&self, spacing: [f64; 3]) -> usize {
        let (Self::Grow(r) | Self::Smooth(r)) = self else { return 1 };
        let number: f64 = r.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        // A length with a unit is at most so many voxels.
        let least = spacing.into_iter().fold(f64::INFINITY, f64::min);
        let voxels = if r.trim().parse::<f64>().is_ok() { number } else { number / least };
        voxels.ceil().clamp(0.0, 4096.0) as usize + 2
    }
}

/// Changes an object within what a mask allows; the regions in which something is another now.
///
/// # Errors
/// If the labels can't be read or written, or the job was cancelled.
pub fn change(edit: &mut Edit, label: u32, what: &Change, mask: &Mask, job: &Job) -> Result<Vec<Region>> {
    let labels = edit.labels();
    let Some(object) = labels.within(label) else { return Ok(Vec::new()) };
    let region = object.grown([what.halo(labels.spacing()); 3], labels.shape());
    let old = labels.get(region)?;
    let mut volume = Volume::U8(old.mapv(|v| u8::from(v == label)));
    let geometry = labels.geometry().cropped(region.start.map(|n| n as f64));
    for (id, given) in what.steps() {
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        volume = on_volumes(id, &given, vec![(Kind::Mask, volume)], geometry, job)?;
    }
    let made = volume.view::<u8>().expect("a mask is u8").to_owned();
    let mut new = old.clone();
    ndarray::Zip::from(&mut new).and(&made).for_each(|new, made| match (*made, *new == label) {
        (1, false) => *new = label,
        (0, true) => *new = 0,
        _ => {}
    });
    mask.keep(region.start, old.view(), &mut new, None, &labels.infos());
    edit.put(region.start, new.view())
}

/// Parts an object at its necks: its largest part keeps the label, the others get new ones. The regions in which
/// something is another now; none if it has no neck.
///
/// # Errors
/// As [`change`].
pub fn split(edit: &mut Edit, label: u32, depth: &str, job: &Job) -> Result<Vec<Region>> {
    let labels = edit.labels();
    let Some(object) = labels.within(label) else { return Ok(Vec::new()) };
    let region = object.grown([1; 3], labels.shape());
    let old = labels.get(region)?;
    let mask = Volume::U8(old.mapv(|v| u8::from(v == label)));
    let given = [("min_depth", depth)];
    let parts = on_volumes("split", &given, vec![(Kind::Mask, mask)], labels.geometry(), job)?;
    let parts: Array3<u32> = parts.cast(VoxelType::U32).view::<u32>().expect("just cast").to_owned();
    name_parts(edit, label, region, old, &parts)
}

/// Gives the connected parts of a label within a region numbers of their own (26 neighbours): the largest keeps the label.
/// The regions in which something is another now; none if it is in one piece.
///
/// # Errors
/// As [`change`]; that the region doesn't fit into memory.
pub fn separate(edit: &mut Edit, label: u32, region: Region, job: &Job) -> Result<Vec<Region>> {
    let labels = edit.labels();
    fits(region)?;
    let old = labels.get(region)?;
    let mask = Volume::U8(old.mapv(|v| u8::from(v == label)));
    let parts = on_volumes("label", &[], vec![(Kind::Mask, mask)], labels.geometry(), job)?;
    let parts = parts.cast(VoxelType::U32).view::<u32>().expect("just cast").to_owned();
    name_parts(edit, label, region, old, &parts)
}

/// Runs an operator on all labels, or, if it takes masks, on one of them; the regions in which something is another now.
/// Parameters are as on the command line.
///
/// # Errors
/// What the operator says; that the labels don't fit into memory, or that it makes another grid or no labels.
pub fn operate(
    edit: &mut Edit,
    op: &'static dyn Operator,
    given: &[(&str, &str)],
    label: u32,
    mask: &Mask,
    job: &Job,
) -> Result<Vec<Region>> {
    let (labels, spec) = (edit.labels(), op.spec());
    let region = Region::whole(labels.shape());
    fits(region)?;
    let old = labels.get(region)?;
    let takes_labels = spec.inputs[0].kinds.contains(&Kind::Labels);
    let input = if takes_labels {
        (Kind::Labels, Volume::U32(old.clone()))
    } else {
        (Kind::Mask, Volume::U8(old.mapv(|v| u8::from(v == label))))
    };
    let made = on_volumes(spec.id, given, vec![input], labels.geometry(), job)?;
    if made.shape() != labels.shape() {
        let reason = "makes an image of another shape, which can't take the labels' place".into();
        return Err(crate::Error::Operator { op: spec.id, reason });
    }
    let mut new = made.cast(VoxelType::U32).view::<u32>().expect("just cast").to_owned();
    if !takes_labels && spec.output == Produces::Image(Kind::Labels) {
        return name_parts(edit, label, region, old, &new);
    }
    if !takes_labels {
        ndarray::Zip::from(&mut new).and(&old).for_each(|new, old| {
            *new = match (*new != 0, *old == label) {
                (true, _) => label,
                (false, true) => 0,
                (false, false) => *old,
            }
        });
    }
    mask.keep(region.start, old.view(), &mut new, None, &labels.infos());
    edit.put(region.start, new.view())
}

/// Whether what is done to a region at once fits into memory, some 16 bytes a voxel.
fn fits(region: Region) -> Result<()> {
    let most = crate::blocks::physical_memory() / 2 / 16;
    if region.len() as u64 <= most {
        return Ok(());
    }
    let (need, most) = (region.len() as u64 >> 20, most >> 20);
    Err(crate::Error::Memory(format!("a box of {need} million voxels is needed at once; at most {most} fit")))
}

/// Writes the parts of a label: the largest keeps the label, the others get new ones.
fn name_parts(
    edit: &mut Edit,
    label: u32,
    region: Region,
    old: Array3<u32>,
    parts: &Array3<u32>,
) -> Result<Vec<Region>> {
    let labels = edit.labels();
    let most = parts.iter().copied().max().unwrap_or(0) as usize;
    if most < 2 {
        return Ok(Vec::new());
    }
    let mut sizes = vec![0u64; most + 1];
    parts.iter().for_each(|part| sizes[*part as usize] += 1);
    let largest = (1..=most).rev().max_by_key(|i| sizes[*i]).unwrap_or(1);
    let (mut next, mut names) = (labels.unused().max(label + 1), vec![label; most + 1]);
    for (i, name) in names.iter_mut().enumerate().skip(1).filter(|(i, _)| *i != largest) {
        if sizes[i] > 0 {
            *name = next;
            next += 1;
        }
    }
    let mut new = old;
    ndarray::Zip::from(&mut new).and(parts).for_each(|new, part| {
        if *part > 0 {
            *new = names[*part as usize];
        }
    });
    edit.put(region.start, new.view())
}
