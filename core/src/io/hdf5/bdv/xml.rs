//! The XML beside a BigDataViewer file: what its setups are, how large voxels are, and where views lie.

use crate::error::PathContext;
use crate::volume::unit::AxisUnits;
use crate::{Error, Geometry, Result, Unit};
use glam::{DAffine3, DMat3, DVec3};
use roxmltree::{Document, Node};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The longest text that is read.
const LONGEST: u64 = 64 << 20;

/// What an XML file says.
#[derive(Debug)]
pub(in super::super) struct Description {
    /// The file itself.
    pub path: PathBuf,
    /// The file with the voxels.
    pub voxels: PathBuf,
    setups: BTreeMap<usize, Setup>,
    /// World from pixel (x, y, z) of each setup, by time.
    registrations: BTreeMap<usize, Vec<(usize, DAffine3)>>,
}

/// A setup: a channel, tile, angle or illumination.
#[derive(Debug, Default)]
pub(super) struct Setup {
    id: usize,
    name: String,
    size: String,
    /// x, y, z.
    voxel_size: Option<[f64; 3]>,
    unit: String,
    attributes: BTreeMap<String, String>,
}

impl Setup {
    /// Its name, or its attributes.
    pub fn title(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let words: Vec<_> = self.attributes.iter().map(|(k, v)| format!("{k} {v}")).collect();
        if words.is_empty() { format!("setup {}", self.id) } else { words.join(" ") }
    }
}

/// Whether a file begins as such a description does.
pub(in super::super) fn is_description(head: &[u8]) -> bool {
    head.windows(9).take(2048).any(|w| w == b"<SpimData")
}

impl Description {
    /// The description that a path is or that lies beside it under the same name; none if there is none.
    ///
    /// # Errors
    /// If the path itself is one and can't be read, or names what is not read.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let mut head = Vec::new();
        let read = |path: &Path, most: u64, to: &mut Vec<u8>| File::open(path)?.take(most).read_to_end(to);
        read(path, 4096, &mut head).at(path)?;
        if is_description(&head) {
            let mut text = Vec::new();
            read(path, LONGEST, &mut text).at(path)?;
            return Self::parse(path, &text).map(Some).map_err(|reason| Error::file(path, reason));
        }
        let beside = path.with_extension("xml");
        let mut text = Vec::new();
        if !beside.is_file() || read(&beside, LONGEST, &mut text).is_err() || !is_description(&text) {
            return Ok(None);
        }
        Ok(Self::parse(&beside, &text).ok().filter(|d| d.voxels.file_name() == path.file_name()))
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "the XML is not UTF-8")?;
        let document = Document::parse(text.trim_start_matches('\u{feff}'))
            .map_err(|e| format!("the XML is damaged: {e}"))?;
        let find = |name: &'static str| document.descendants().filter(move |n| n.has_tag_name(name));
        let loader = find("ImageLoader").next().ok_or("the XML names no file with voxels (ImageLoader)")?;
        let format = loader.attribute("format").unwrap_or_default();
        let file = child(loader, "hdf5").filter(|f| !f.is_empty()).ok_or_else(|| {
            format!("its voxels are in the format \"{format}\", which is not read; bdv.hdf5 is")
        })?;
        // A file must not reach outside its folder.
        let inside =
            Path::new(file).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        let name = if inside {
            Path::new(file).as_os_str()
        } else {
            Path::new(file).file_name().unwrap_or_default()
        };
        let setups = find("ViewSetup").filter_map(setup).map(|s| (s.id, s)).collect();
        let mut registrations: BTreeMap<usize, Vec<(usize, DAffine3)>> = BTreeMap::new();
        for view in find("ViewRegistration") {
            let number = |name: &str| view.attribute(name)?.trim().parse().ok();
            if let (Some(time), Some(setup)) = (number("timepoint"), number("setup")) {
                registrations.entry(setup).or_default().push((time, transform(view)));
            }
        }
        Ok(Self { path: path.to_owned(), voxels: path.with_file_name("").join(name), setups, registrations })
    }

    /// A setup by its number.
    pub(super) fn setup(&self, id: usize) -> Option<&Setup> {
        self.setups.get(&id)
    }

    /// Whether two setups are channels of one image: they differ in nothing but their channel.
    pub(super) fn differ_by_channel(&self, a: usize, b: usize) -> bool {
        let (Some(one), Some(other)) = (self.setup(a), self.setup(b)) else { return false };
        let rest = |s: &Setup| {
            let mut rest = s.attributes.clone();
            let channel = rest.remove("channel");
            (rest, channel)
        };
        let ((rest_a, channel_a), (rest_b, channel_b)) = (rest(one), rest(other));
        channel_a.is_some()
            && channel_b.is_some()
            && channel_a != channel_b
            && rest_a == rest_b
            && (&one.size, one.voxel_size, &one.unit) == (&other.size, other.voxel_size, &other.unit)
            && self.registrations.get(&a) == self.registrations.get(&b)
    }

    /// Where the voxels of a setup lie: its registration, in the unit of its voxel size. Registrations count in any unit,
    /// often the smallest side of a voxel, so that one is taken only if its axes are as long as those of a voxel, up to
    /// one factor.
    pub(super) fn geometry(&self, id: usize, notes: &mut Vec<String>) -> Geometry {
        let Some(setup) = self.setup(id) else {
            notes.push(format!("the XML says nothing of setup {id}"));
            return Geometry::default();
        };
        let Some([x, y, z]) = setup.voxel_size else {
            notes.push(format!("the XML gives no voxelSize of setup {id}"));
            return Geometry::default();
        };
        let units = AxisUnits::new([Some(setup.unit.as_str()); 3]);
        let spacing = [units.convert(0, z), units.convert(1, y), units.convert(2, x)];
        let mut geometry = Geometry::from_spacing(spacing, Unit::Voxel);
        if let Some(world_from_index) = self.registration(id, &geometry, notes) {
            geometry.world_from_index = world_from_index;
        }
        units.complete(&mut geometry, spacing, notes);
        geometry
    }

    /// The registration of a setup, in the unit of its voxels, which `plain` has without one.
    fn registration(&self, id: usize, plain: &Geometry, notes: &mut Vec<String>) -> Option<DAffine3> {
        let views = self.registrations.get(&id)?;
        let (_, world) = views.iter().min_by_key(|(time, _)| *time)?;
        if views.iter().any(|(_, other)| other != world) {
            notes.push("registrations that change with time are not applied, but for the first".to_owned());
        }
        let [z, y, x] = plain.spacing();
        let m = world.matrix3;
        let ratios = DVec3::new(x / m.x_axis.length(), y / m.y_axis.length(), z / m.z_axis.length());
        let factor = ratios.x;
        let near = |r: f64| r.is_finite() && (r - factor).abs() <= 1e-4 * factor;
        if !near(ratios.x) || !near(ratios.y) || !near(ratios.z) || m.determinant() == 0.0 {
            notes.push(
                "the view's registration doesn't agree with its voxelSize and is not applied".to_owned(),
            );
            return None;
        }
        let mut own = DAffine3 { matrix3: m * factor, translation: world.translation * factor };
        if m == DMat3::from_diagonal(m.diagonal()) && m.diagonal().cmpgt(DVec3::ZERO).all() {
            // Exactly, not by way of a factor.
            own.matrix3 = plain.world_from_index.matrix3;
        }
        Some(own)
    }
}

fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|n| n.has_tag_name(name))?.text().map(str::trim)
}

fn list<const N: usize>(text: &str) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> =
        text.split([' ', '\t', '\n', '\r', ',']).filter(|w| !w.is_empty()).map(|w| w.parse().ok()).collect();
    numbers?.try_into().ok().filter(|n: &[f64; N]| n.iter().all(|v| v.is_finite()))
}

fn setup(node: Node) -> Option<Setup> {
    let size = node.children().find(|n| n.has_tag_name("voxelSize"));
    let attributes = node.children().find(|n| n.has_tag_name("attributes"));
    let voxel_size = size.and_then(|n| list::<3>(child(n, "size")?));
    Some(Setup {
        id: child(node, "id")?.parse().ok()?,
        name: child(node, "name").unwrap_or_default().to_owned(),
        size: child(node, "size").unwrap_or_default().to_owned(),
        voxel_size: voxel_size.filter(|s| s.iter().all(|v| *v > 0.0)),
        unit: size.and_then(|n| child(n, "unit")).unwrap_or_default().to_owned(),
        attributes: attributes
            .into_iter()
            .flat_map(|n| n.children())
            .filter(Node::is_element)
            .map(|n| (n.tag_name().name().to_owned(), n.text().unwrap_or_default().trim().to_owned()))
            .collect(),
    })
}

/// The transforms of a view, of which the last listed comes first.
fn transform(view: Node) -> DAffine3 {
    let affine = |node: Node| {
        let m: [f64; 12] = list(child(node, "affine")?)?;
        let column = |c: usize| DVec3::new(m[c], m[4 + c], m[8 + c]);
        Some(DAffine3 { matrix3: DMat3::from_cols(column(0), column(1), column(2)), translation: column(3) })
    };
    let all = view.children().filter(|n| n.has_tag_name("ViewTransform"));
    all.filter_map(affine).fold(DAffine3::IDENTITY, |world, next| world * next)
}
