//! Imaris 5.5 (`.ims`): `DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data`, and in `DataSetInfo` what the image is.
//!
//! Source: the Imaris 5.5 file format description (Bitplane/Oxford Instruments). Attributes are arrays of single
//! characters. Datasets are padded to whole chunks; the image is as large as the channel's `ImageSizeX`, `Y`, `Z` say, and
//! `ExtMin0` … `ExtMax2` are the outer faces of its first and last voxels.

use super::array::{Array, Axes};
use super::container::{Container, text};
use super::source::{Source, Voxels};
use crate::io::{Channel, ImageInfo, Level};
use crate::volume::unit::AxisUnits;
use crate::{Geometry, Result};
use glam::{DAffine3, DMat3, DVec3};
use hdf5_reader::group::Group;
use std::collections::BTreeMap;

const DATA: &str = "DataSet";
const INFO: &str = "DataSetInfo";

/// Whether a file is laid out in this way.
pub(super) fn is_imaris(container: &Container) -> bool {
    container.group(&format!("{DATA}/ResolutionLevel 0/TimePoint 0/Channel 0")).is_some()
}

/// Opens the image of a file.
pub(super) fn open(container: &Container) -> Result<Source> {
    let image = fields(container.group(&format!("{INFO}/Image")));
    let (mut notes, mut damage) = (Vec::new(), Vec::new());
    let finest =
        LevelGroup::find(container, 0).ok_or_else(|| container.refuse("holds no ResolutionLevel 0"))?;
    let (times, channels) = (finest.times, finest.channels);
    let mut levels = Vec::new();
    let mut described: Vec<Level> = Vec::new();
    let mut voxel = None;
    for number in 0..32 {
        let Some(level) = LevelGroup::find(container, number) else { break };
        let found = level.arrays(container, times, channels, &image)?;
        let here = found.arrays.iter().flatten().next().map(Array::voxel);
        if found.missing > 0 {
            let all = times * channels;
            let said =
                format!("level {number} lacks {} of {all} volumes; they are read as zeros", found.missing);
            if number == 0 {
                damage.push(said.clone());
            }
            notes.push(said);
        }
        if voxel.get_or_insert(here) != &here {
            notes.push(format!("level {number} has voxels of another type and is left out"));
            break;
        }
        if described.last().is_some_and(|l| (0..3).any(|a| found.shape[a] > l.shape[a])) {
            notes.push(format!("level {number} is larger than the one before and is left out"));
            break;
        }
        let finest = described.first().map_or(found.shape, |l| l.shape);
        let mut said = Vec::new();
        let geometry = geometry(&image, found.shape, finest, &mut said);
        if number == 0 {
            notes.append(&mut said);
        }
        let chunk = found.arrays.iter().flatten().next().map_or(found.shape, Array::chunk);
        let chunk = std::array::from_fn(|a| chunk[a].min(found.shape[a]));
        described.push(Level { shape: found.shape, geometry, chunk });
        levels.push(Voxels::Apart(found.arrays));
    }
    let (Some(first), Some(Some(voxel))) = (described.first(), voxel) else {
        return Err(container.refuse("holds no volume in ResolutionLevel 0"));
    };
    let mut info = ImageInfo::simple("hdf5", first.shape, first.chunk, voxel, first.geometry);
    info.levels = described;
    info.channels = (0..channels).map(|c| channel(container, c)).collect();
    info.times = times;
    info.time_step = time_step(container, times);
    (info.notes, info.damage) = (notes, damage);
    info.metadata = image;
    info.metadata.insert("dialect".into(), "Imaris".into());
    Ok(Source { path: container.path.clone(), info, levels, files: container.files() })
}

fn fields(group: Option<Group>) -> BTreeMap<String, String> {
    let attributes = group.and_then(|g| g.attributes().ok()).unwrap_or_default();
    attributes.iter().take(1000).filter_map(|a| Some((a.name.clone(), text(a)?))).collect()
}

/// One level and how many times and channels it has.
struct LevelGroup {
    group: Group,
    number: usize,
    times: usize,
    channels: usize,
}

struct Channels {
    arrays: Vec<Option<Array>>,
    shape: [usize; 3],
    missing: usize,
}

impl LevelGroup {
    fn find(container: &Container, number: usize) -> Option<Self> {
        let group = container.group(&format!("{DATA}/ResolutionLevel {number}"))?;
        let count = |group: &Group, prefix: &str| {
            let names = group.member_names().map(|(groups, _)| groups).unwrap_or_default();
            let last = names.iter().filter_map(|n| n.strip_prefix(prefix)?.parse::<usize>().ok()).max();
            last.map_or(0, |n| n.saturating_add(1))
        };
        let times = count(&group, "TimePoint ");
        let channels = group.group("TimePoint 0").map_or(0, |g| count(&g, "Channel "));
        // Names are numbers that a damaged file may have made up.
        let believable = times.checked_mul(channels).is_some_and(|n| (1..=1 << 20).contains(&n));
        believable.then_some(Self { group, number, times, channels })
    }

    /// All volumes of the level.
    fn arrays(
        &self,
        container: &Container,
        times: usize,
        channels: usize,
        image: &BTreeMap<String, String>,
    ) -> Result<Channels> {
        let mut arrays = Vec::with_capacity(times * channels);
        let mut shape = None;
        for time in 0..times {
            let at = self.group.group(&format!("TimePoint {time}")).ok();
            for channel in 0..channels {
                let name =
                    format!("{DATA}/ResolutionLevel {}/TimePoint {time}/Channel {channel}/Data", self.number);
                let group = at.as_ref().and_then(|g| g.group(&format!("Channel {channel}")).ok());
                let Some(dataset) = group.as_ref().and_then(|g| g.dataset("Data").ok()) else {
                    arrays.push(None);
                    continue;
                };
                if dataset.ndim() != 3 {
                    return Err(container.refuse(format!("{name} has {} axes instead of 3", dataset.ndim())));
                }
                if let Some(filter) = container.unknown_filter(&dataset) {
                    return Err(container.refuse(format!(
                        "the chunks of {name} are compressed by {filter}, which is not supported"
                    )));
                }
                let array = Array::new(container, &name, dataset, Axes::trailing(3))?;
                let size = size(&fields(group), &array, (self.number == 0).then_some(image));
                if *shape.get_or_insert(size) != size {
                    return Err(container.refuse(format!(
                        "{name} has {size:?} voxels [z, y, x] where the first of its level has {:?}",
                        shape.unwrap_or_default()
                    )));
                }
                arrays.push(Some(array));
            }
        }
        let shape = shape
            .ok_or_else(|| container.refuse(format!("ResolutionLevel {} holds no volume", self.number)))?;
        let missing = arrays.iter().filter(|a| a.is_none()).count();
        Ok(Channels { arrays, shape, missing })
    }
}

/// The size of the image in a dataset, `[z, y, x]`.
fn size(
    channel: &BTreeMap<String, String>,
    array: &Array,
    image: Option<&BTreeMap<String, String>>,
) -> [usize; 3] {
    let padded = array.shape();
    std::array::from_fn(|a| {
        let letter = ["Z", "Y", "X"][a];
        let own = channel.get(&format!("ImageSize{letter}"));
        let said = own.or_else(|| image?.get(letter)).and_then(|v| v.trim().parse::<usize>().ok());
        said.filter(|&n| n > 0).map_or(padded[a], |n| n.min(padded[a]))
    })
}

/// Where the voxels of a level lie; `finest` is the shape of the finest level.
fn geometry(
    image: &BTreeMap<String, String>,
    shape: [usize; 3],
    finest: [usize; 3],
    notes: &mut Vec<String>,
) -> Geometry {
    let units = AxisUnits::new([Some(image.get("Unit").map_or("um", |u| u.trim())); 3]);
    let number = |name: String| image.get(&name)?.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    let mut matrix3 = DMat3::IDENTITY;
    let mut translation = DVec3::ZERO;
    let mut spacing = [0.0; 3];
    for axis in 0..3 {
        let place = 2 - axis;
        let (Some(low), Some(high)) = (number(format!("ExtMin{axis}")), number(format!("ExtMax{axis}")))
        else {
            return Geometry::default();
        };
        let (low, high) = (units.convert(place, low), units.convert(place, high));
        let step = (high - low) / shape[place] as f64;
        if step == 0.0 || !step.is_finite() {
            return Geometry::default();
        }
        matrix3.col_mut(axis)[axis] = step;
        translation[axis] = low + step / 2.0;
        spacing[place] = (high - low) / finest[place] as f64;
    }
    let mut geometry =
        Geometry { world_from_index: DAffine3 { matrix3, translation }, ..Geometry::default() };
    units.complete(&mut geometry, spacing, notes);
    geometry
}

fn channel(container: &Container, number: usize) -> Channel {
    let fields = fields(container.group(&format!("{INFO}/Channel {number}")));
    let color: Vec<f64> = fields
        .get("Color")
        .map(|c| c.split_whitespace().filter_map(|v| v.parse().ok()).collect())
        .unwrap_or_default();
    let color =
        <[f64; 3]>::try_from(color).ok().map(|c| c.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8));
    Channel { name: fields.get("Name").map(|n| n.trim().to_owned()).unwrap_or_default(), color }
}

/// Seconds between times, from the dates of the first and the last.
fn time_step(container: &Container, times: usize) -> Option<f64> {
    let fields = fields(container.group(&format!("{INFO}/TimeInfo")));
    let at = |n: usize| seconds(fields.get(&format!("TimePoint{n}"))?);
    let steps = times.checked_sub(1).filter(|n| *n > 0)?;
    Some((at(times)? - at(1)?) / steps as f64).filter(|s| *s > 0.0)
}

/// `2010-01-31 23:59:59.999` as seconds since a day long ago.
fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    // Years that begin in March have their odd day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day;
    let mut clock = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    Some(days as f64 * 86_400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn dates_count_days() {
        let between = |a: &str, b: &str| seconds(b).unwrap() - seconds(a).unwrap();
        assert_eq!(between("2024-02-28 00:00:00.000", "2024-03-01 00:00:00.000"), 2.0 * 86_400.0);
        assert_eq!(between("2023-12-31 23:59:59.500", "2024-01-01 00:00:00.000"), 0.5);
        assert_eq!(between("1999-03-01 00:00:00", "2000-03-01 00:00:00"), 366.0 * 86_400.0);
        assert!(seconds("yesterday").is_none() && seconds("2024-13-01 0:0:0").is_none());
    }
}
