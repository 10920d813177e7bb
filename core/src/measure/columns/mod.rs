//! The columns of the object table, declared once: names, units, methods and how each follows from
//! an object's sums. The command that lists columns, the docs and the tables' metadata read this.

pub mod object;
pub mod objects;

use crate::Unit;
use crate::measure::columns::object::Object;
use std::f64::consts::PI;

/// The unit of a column, before the image's unit of length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitRule {
    /// A name or a flag.
    None,
    /// A number without a unit.
    One,
    /// A position in voxels, from 0.
    Index,
    /// Length, area or volume: this power of the unit of length.
    Length(u8),
    /// Degrees.
    Degree,
    /// The unit of the intensities, which files do not tell.
    Intensity,
    /// The unit of the intensities per length.
    IntensityPerLength,
    /// One over a power of the unit of length.
    PerLength(u8),
}

impl UnitRule {
    /// The unit in an image.
    pub fn text(self, length: Unit) -> String {
        let power = |p: u8| match p {
            1 => length.symbol().to_owned(),
            2 => format!("{}²", length.symbol()),
            _ => format!("{}³", length.symbol()),
        };
        match self {
            Self::None => String::new(),
            Self::One => "1".into(),
            Self::Index => "index".into(),
            Self::Length(p) => power(p),
            Self::Degree => "°".into(),
            Self::Intensity => "intensity".into(),
            Self::IntensityPerLength => format!("intensity/{}", length.symbol()),
            Self::PerLength(p) => format!("1/{}", power(p)),
        }
    }
}

/// What must be computed for a column; the cost rises from first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Number, mean place and box of voxels.
    Voxels,
    /// Second moments of voxels.
    Moments,
    /// Sums over intensities.
    Intensity,
    /// Sums over 2×2×2 neighbourhoods.
    Cells,
    /// Pairs of touching objects.
    Contacts,
    /// How far intensities lie from their mean.
    Deviations,
    /// The centroids of all objects.
    Nearest,
    /// Distances of voxels from the centroid.
    Radius,
    /// The convex hull.
    Hull,
    /// The distribution of intensities.
    Percentiles,
    /// Voxels on the boundary.
    Boundary,
    /// Distances to the nearest voxel outside.
    Inscribed,
    /// Parts and cavities.
    Topology,
    /// Local thickness, object by object.
    Thickness,
    /// The frequency of intensities.
    Mode,
    /// Boxes along the faces of the convex hull.
    Oriented,
    /// The skeleton.
    Skeleton,
    /// Paths inside the object.
    Geodesic,
    /// What is nearest to each object.
    Voronoi,
    /// The reference mask.
    Reference,
}

impl Needs {
    /// Whether the column follows from sums over voxels or neighbourhoods.
    pub fn additive(self) -> bool {
        self <= Self::Deviations
    }

    /// The group of columns that are measured together, by the name under which they are asked for.
    pub fn group(self) -> &'static str {
        match self {
            Self::Voxels => "size",
            Self::Moments => "moments",
            Self::Intensity | Self::Deviations => "intensities",
            Self::Cells => "surface",
            Self::Contacts => "contacts",
            Self::Nearest => "nearest",
            Self::Radius => "radius",
            Self::Hull => "hull",
            Self::Percentiles | Self::Mode => "distribution",
            Self::Boundary => "boundary",
            Self::Inscribed => "inscribed",
            Self::Topology => "topology",
            Self::Thickness => "thickness",
            Self::Oriented => "oriented",
            Self::Skeleton => "skeleton",
            Self::Geodesic => "geodesic",
            Self::Voronoi => "voronoi",
            Self::Reference => "reference",
        }
    }

    /// What a group takes that can dominate a run, and so is made only if it is asked for; none for the
    /// groups that are made by default.
    pub fn cost(self) -> Option<Cost> {
        let cost = |what, nanoseconds, grows| Some(Cost { what, nanoseconds, grows });
        match self {
            Self::Inscribed => cost("inscribed balls", 80.0, false),
            Self::Topology => cost("parts and cavities", 80.0, false),
            Self::Thickness => cost("local thickness", 300.0, true),
            Self::Oriented => cost("oriented boxes", 300.0, true),
            Self::Skeleton => cost("skeletons", 600.0, true),
            Self::Geodesic => cost("geodesic diameters", 2000.0, true),
            Self::Voronoi => cost("Voronoi cells", 150.0, false),
            _ => None,
        }
    }
}

/// What a group of columns costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// What takes the time, in the user's words.
    pub what: &'static str,
    /// Time for each voxel of the image on one thread, where objects are of middle size.
    nanoseconds: f64,
    /// Whether it grows with the size of the objects.
    grows: bool,
}

/// What the image table of thickness costs: thickness, separation and the distance of mid-axes.
pub const THICKNESS_TABLE: Cost =
    Cost { what: "thickness and separation of the structure", nanoseconds: 900.0, grows: true };

impl Cost {
    /// A sentence about what it takes in an image of so many voxels, on so many threads.
    pub fn estimate(&self, voxels: u64, threads: usize) -> String {
        let seconds = self.nanoseconds * 1e-9 * voxels as f64 / threads as f64;
        let time = match seconds {
            ..1.0 => "about a second".to_owned(),
            ..90.0 => format!("about {seconds:.0} s"),
            ..5400.0 => format!("about {:.0} min", seconds / 60.0),
            _ => format!("about {:.0} h", seconds / 3600.0),
        };
        let more = if self.grows { ", more where objects are large" } else { "" };
        format!("{}: {time} on {threads} threads{more}", self.what)
    }
}

/// How a column's value follows from an object.
#[derive(Clone, Copy)]
pub enum Value {
    /// A whole number.
    Int(fn(&Object) -> i64),
    /// A number; NaN where it is not defined.
    Real(fn(&Object) -> f64),
    /// Yes or no.
    Flag(fn(&Object) -> bool),
    /// A number for each intensity channel.
    Channel(fn(&Object, usize) -> f64),
}

/// A column of the object table.
pub struct Column {
    /// Its name. A column of intensities has this name for the first channel; for the second its
    /// first word gets `_2`: `intensity_2_mean`.
    pub name: &'static str,
    /// Its unit.
    pub unit: UnitRule,
    /// What must be computed for it.
    pub needs: Needs,
    /// What it is and who published it.
    pub doc: &'static str,
    /// Its value.
    pub value: Value,
}

impl Column {
    /// Whether there is one for each intensity channel.
    pub fn per_channel(&self) -> bool {
        matches!(self.value, Value::Channel(_))
    }

    /// Whether it follows from distances between voxels that are found axis by axis, which only a grid at right angles
    /// has.
    pub fn is_by_distance(&self) -> bool {
        matches!(self.needs, Needs::Thickness | Needs::Reference | Needs::Voronoi)
            || self.name.starts_with("inscribed_")
    }

    /// Its name for a channel, from 0.
    pub fn name_for(&self, channel: usize) -> String {
        match (self.name.split_once('_'), channel) {
            (Some((first, rest)), 1..) => format!("{first}_{}_{rest}", channel + 1),
            _ => self.name.to_owned(),
        }
    }
}

const fn int(
    name: &'static str,
    unit: UnitRule,
    needs: Needs,
    doc: &'static str,
    f: fn(&Object) -> i64,
) -> Column {
    Column { name, unit, needs, doc, value: Value::Int(f) }
}

const fn real(
    name: &'static str,
    unit: UnitRule,
    needs: Needs,
    doc: &'static str,
    f: fn(&Object) -> f64,
) -> Column {
    Column { name, unit, needs, doc, value: Value::Real(f) }
}

const fn channel(
    name: &'static str,
    unit: UnitRule,
    needs: Needs,
    doc: &'static str,
    f: fn(&Object, usize) -> f64,
) -> Column {
    Column { name, unit, needs, doc, value: Value::Channel(f) }
}

use Needs::{
    Boundary, Cells, Contacts, Deviations, Geodesic, Hull, Inscribed, Intensity, Mode, Moments, Nearest,
    Oriented, Percentiles, Radius, Reference, Skeleton, Thickness, Topology, Voronoi, Voxels,
};
use UnitRule::{Degree, Index, Intensity as AsInput, IntensityPerLength, Length, None as Nothing, One};

const AXIS: &str = "Unit vector of a principal axis in world coordinates (eigenvectors of the covariance of voxel centres, greatest variance first); its largest component is positive.";
const BOX: &str = "Half-open box of voxel indices.";
const SEMI: &str = "Semi-axis √(5λ) of the solid ellipsoid with the same second moments.";
const SD: &str = "Standard deviation √λ of voxel centres along a principal axis, greatest first.";
const CENTROID: &str = "Mean voxel index.";
const WORLD: &str = "Mean position of the voxels in world coordinates.";
const WEIGHTED: &str =
    "Mean voxel index weighted by intensity; empty if the intensities do not sum to a positive number.";
const WEIGHTED_SD: &str =
    "Standard deviation along the principal axes of the intensity-weighted voxel centres, greatest first.";
const INSCRIBED: &str = "The voxel that has that distance, the first in memory order of several.";
const MIN_AT: &str = "The voxel of the least intensity, the first in memory order of several.";
const MAX_AT: &str = "The voxel of the greatest intensity, the first in memory order of several.";
const ORIENTED: &str = "Side of the box of least volume around the voxels' corners that has a side on a face of their convex hull, greatest first; the least of all boxes (O'Rourke 1985) may be smaller by a few per cent.";
const SKELETON_BRANCHES: &str = "Lines of the skeleton between its junctions and ends, closed lines included. The skeleton is the object thinned to 26-connected lines one voxel wide (Lee, Kashyap & Chu 1994, doi:10.1006/cgip.1994.1042).";
const SKELETON_JUNCTIONS: &str = "Groups of joined skeleton voxels that have more than two neighbours (Arganda-Carreras et al. 2010, doi:10.1002/jemt.20829).";
const SKELETON_ENDS: &str = "Skeleton voxels with one neighbour.";
const SKELETON_LENGTH: &str = "Length of the skeleton's branches from voxel centre to voxel centre; lines off the lattice's directions are up to 13 % too long.";
const THICKNESS: &str = "Over its voxels, of the diameter of the largest ball inside the object that contains the voxel (Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x). A ball's radius is the distance from its centre voxel to the nearest voxel outside; outside the image counts as outside, but not along an axis of one voxel.";
const REFERENCE: &str = "Distance of its voxel centres to the nearest voxel centre of the reference mask; 0 inside; empty without a mask.";
const FERET_MAX: &str = "Greatest distance between two corners of its voxels.";
const FERET_MAX_AXIS: &str = "Unit vector between those corners, in world coordinates.";
const FERET_MIN: &str = "Least distance of two parallel planes around it, over the directions of all faces of the convex hull (left out for hulls of many thousand corners) and 145 more spread evenly.";
const FERET_MIN_AXIS: &str = "Unit normal of those planes, in world coordinates.";
const PERCENTILE: &str = "Exact percentile of the finite intensities, linear between order statistics.";

/// All columns, in the order of the table.
pub static COLUMNS: &[Column] = &[
    int("label", Nothing, Voxels, "The object's number in the label image.", |o| o.label as i64),
    int("voxel_count", One, Voxels, "Number of voxels.", |o| o.voxels.count as i64),
    real("volume", Length(3), Voxels, "Number of voxels × volume of a voxel.", |o| o.volume()),
    int("bbox_z_min", Index, Voxels, BOX, |o| o.voxels.low[0] as i64),
    int("bbox_z_max", Index, Voxels, BOX, |o| o.voxels.high[0] as i64),
    int("bbox_y_min", Index, Voxels, BOX, |o| o.voxels.low[1] as i64),
    int("bbox_y_max", Index, Voxels, BOX, |o| o.voxels.high[1] as i64),
    int("bbox_x_min", Index, Voxels, BOX, |o| o.voxels.low[2] as i64),
    int("bbox_x_max", Index, Voxels, BOX, |o| o.voxels.high[2] as i64),
    real("extent_z", Length(1), Voxels, "Side of the box.", |o| o.extent(0)),
    real("extent_y", Length(1), Voxels, "Side of the box.", |o| o.extent(1)),
    real("extent_x", Length(1), Voxels, "Side of the box.", |o| o.extent(2)),
    real("bbox_fill", One, Voxels, "Volume ÷ volume of the box.", |o| {
        let sides = (0..3).map(|a| (o.voxels.high[a] - o.voxels.low[a]) as f64);
        o.voxels.count as f64 / sides.product::<f64>()
    }),
    Column {
        name: "touches_border",
        unit: Nothing,
        needs: Voxels,
        doc: "Whether a voxel lies on a face of the image, so that the object may be cut; an axis of one voxel has no faces.",
        value: Value::Flag(|o| o.touches_border()),
    },
    real("centroid_z", Index, Voxels, CENTROID, |o| o.centroid[0]),
    real("centroid_y", Index, Voxels, CENTROID, |o| o.centroid[1]),
    real("centroid_x", Index, Voxels, CENTROID, |o| o.centroid[2]),
    real("centroid_world_x", Length(1), Voxels, WORLD, |o| o.world().x),
    real("centroid_world_y", Length(1), Voxels, WORLD, |o| o.world().y),
    real("centroid_world_z", Length(1), Voxels, WORLD, |o| o.world().z),
    real(
        "equivalent_diameter",
        Length(1),
        Voxels,
        "Diameter (6V/π)^⅓ of the ball of the same volume.",
        |o| (6.0 * o.volume() / PI).cbrt(),
    ),
    real("sd_1", Length(1), Moments, SD, |o| o.sd()[0]),
    real("sd_2", Length(1), Moments, SD, |o| o.sd()[1]),
    real("sd_3", Length(1), Moments, SD, |o| o.sd()[2]),
    real("axis_1_x", One, Moments, AXIS, |o| o.axes[0].x),
    real("axis_1_y", One, Moments, AXIS, |o| o.axes[0].y),
    real("axis_1_z", One, Moments, AXIS, |o| o.axes[0].z),
    real("axis_2_x", One, Moments, AXIS, |o| o.axes[1].x),
    real("axis_2_y", One, Moments, AXIS, |o| o.axes[1].y),
    real("axis_2_z", One, Moments, AXIS, |o| o.axes[1].z),
    real("axis_3_x", One, Moments, AXIS, |o| o.axes[2].x),
    real("axis_3_y", One, Moments, AXIS, |o| o.axes[2].y),
    real("axis_3_z", One, Moments, AXIS, |o| o.axes[2].z),
    real("azimuth", Degree, Moments, "Angle of axis 1 in the world's xy plane, from x towards y.", |o| {
        o.axes[0].y.atan2(o.axes[0].x).to_degrees()
    }),
    real("elevation", Degree, Moments, "Angle of axis 1 above the world's xy plane.", |o| {
        o.axes[0].z.clamp(-1.0, 1.0).asin().to_degrees()
    }),
    real("ellipsoid_semi_axis_1", Length(1), Moments, SEMI, |o| (5.0 * o.variances[0]).sqrt()),
    real("ellipsoid_semi_axis_2", Length(1), Moments, SEMI, |o| (5.0 * o.variances[1]).sqrt()),
    real("ellipsoid_semi_axis_3", Length(1), Moments, SEMI, |o| (5.0 * o.variances[2]).sqrt()),
    real("elongation", One, Moments, "√(λ₂/λ₁): 1 for a ball, near 0 for a rod.", |o| {
        ratio(o.sd()[1], o.sd()[0])
    }),
    real("flatness", One, Moments, "√(λ₃/λ₂): 1 for a ball, near 0 for a plate.", |o| {
        ratio(o.sd()[2], o.sd()[1])
    }),
    real(
        "fractional_anisotropy",
        One,
        Moments,
        "√(3/2)·|λ − mean λ|/|λ| (Basser & Pierpaoli 1996, doi:10.1006/jmrb.1996.0086).",
        |o| {
            let mean = o.variances.iter().sum::<f64>() / 3.0;
            let spread: f64 = o.variances.iter().map(|v| (v - mean) * (v - mean)).sum();
            let size: f64 = o.variances.iter().map(|v| v * v).sum();
            ratio((1.5 * spread).sqrt(), size.sqrt())
        },
    ),
    real("anisotropy", One, Moments, "(s₁ − s₃)/s₁ with s = √λ (Mader 2013).", |o| {
        ratio(o.sd()[0] - o.sd()[2], o.sd()[0])
    }),
    real(
        "oblateness",
        One,
        Moments,
        "2(s₁ − s₂)/(s₁ − s₃) − 1: −1 for a disc, 1 for a rod (Mader 2013).",
        |o| {
            let [a, b, c] = o.sd();
            2.0 * ratio(a - b, a - c) - 1.0
        },
    ),
    real(
        "surface_area",
        Length(2),
        Cells,
        "Crofton's formula with 13 directions and Voronoi weights at the image's spacing (Lehmann & Legland 2012; Legland, Kiêu & Devaux 2007, doi:10.5566/ias.v26.p83-92). Outside the image is background.",
        |o| o.surface(),
    ),
    real(
        "surface_area_mesh",
        Length(2),
        Cells,
        "Sum of weights of 2×2×2 configurations that is unbiased and of least variance for planes of any direction (Lindblad 2005, doi:10.1016/j.imavis.2004.06.012), solved at the image's spacing.",
        |o| o.cells.local as f64 * o.frame.area_unit,
    ),
    real(
        "mean_breadth",
        Length(1),
        Cells,
        "Mean width over all directions, from 13 families of planes (Legland, Kiêu & Devaux 2007); the diameter, for a ball.",
        |o| o.cells.breadth as f64 * o.frame.length_unit,
    ),
    int(
        "euler_number_6",
        One,
        Cells,
        "Objects − tunnels + cavities with a 6-connected object and 26-connected background (Ohser & Mücklich 2000).",
        |o| o.cells.euler_6 / 8,
    ),
    int(
        "euler_number_26",
        One,
        Cells,
        "Objects − tunnels + cavities with a 26-connected object and 6-connected background (Odgaard & Gundersen 1993, doi:10.1016/8756-3282(93)90245-6).",
        |o| o.cells.euler_26 / 8,
    ),
    real("sphericity", One, Cells, "π^⅓·(6V)^⅔/S (Wadell 1935): 1 for a ball.", |o| {
        PI.cbrt() * (6.0 * o.volume()).powi(2).cbrt() / o.surface()
    }),
    real("compactness", One, Cells, "36πV²/S³; MorphoLibJ calls this sphericity.", |o| {
        36.0 * PI * o.volume().powi(2) / o.surface().powi(3)
    }),
    int("neighbours", One, Contacts, "Other labels that share a voxel face with it.", |o| {
        o.neighbours as i64
    }),
    real(
        "contact_area_total",
        Length(2),
        Contacts,
        "Area of its interfaces with other labels, Crofton with 13 directions.",
        |o| o.contact_area,
    ),
    real("free_surface_area", Length(2), Contacts, "Surface area that does not touch another label.", |o| {
        (o.surface() - o.contact_area).max(0.0)
    }),
    int(
        "nearest_label",
        Nothing,
        Nearest,
        "The label whose centroid is nearest; the lesser of two equally near; 0 if there is no other.",
        // With all objects at hand, these are found at the end.
        |_| 0,
    ),
    real("nearest_centroid_distance", Length(1), Nearest, "Distance to that centroid.", |_| f64::NAN),
    int(
        "border_voxels",
        One,
        Boundary,
        "Voxels with a face towards something else or the outside of the image; along an axis of one voxel there is no outside.",
        |o| o.extras.border_voxels() as i64,
    ),
    real(
        "inscribed_radius",
        Length(1),
        Inscribed,
        "Greatest distance of one of its voxel centres to the nearest voxel centre outside (exact Euclidean distance; outside the image counts as outside, but not along an axis of one voxel).",
        |o| o.extras.boxed().inscribed_radius,
    ),
    int("inscribed_centre_z", Index, Inscribed, INSCRIBED, |o| o.extras.boxed().centre[0] as i64),
    int("inscribed_centre_y", Index, Inscribed, INSCRIBED, |o| o.extras.boxed().centre[1] as i64),
    int("inscribed_centre_x", Index, Inscribed, INSCRIBED, |o| o.extras.boxed().centre[2] as i64),
    int("components", One, Topology, "26-connected parts (Betti number 0).", |o| {
        o.extras.boxed().components as i64
    }),
    int("tunnels", One, Topology, "Parts + cavities − Euler number, 26-connected (Betti number 1).", |o| {
        let b = o.extras.boxed();
        b.components as i64 + b.cavities as i64 - o.cells.euler_26 / 8
    }),
    int("cavities", One, Topology, "6-connected holes that are closed on all sides (Betti number 2).", |o| {
        o.extras.boxed().cavities as i64
    }),
    real("thickness_mean", Length(1), Thickness, THICKNESS, |o| o.extras.boxed().thickness.mean),
    real("thickness_sd", Length(1), Thickness, THICKNESS, |o| o.extras.boxed().thickness.sd),
    real("thickness_max", Length(1), Thickness, THICKNESS, |o| o.extras.boxed().thickness.max),
    int("skeleton_branches", One, Skeleton, SKELETON_BRANCHES, |o| {
        o.extras.boxed().paths.skeleton.branches as i64
    }),
    int("skeleton_junctions", One, Skeleton, SKELETON_JUNCTIONS, |o| {
        o.extras.boxed().paths.skeleton.junctions as i64
    }),
    int("skeleton_ends", One, Skeleton, SKELETON_ENDS, |o| o.extras.boxed().paths.skeleton.ends as i64),
    real("skeleton_length", Length(1), Skeleton, SKELETON_LENGTH, |o| o.extras.boxed().paths.skeleton.length),
    real(
        "geodesic_diameter",
        Length(1),
        Geodesic,
        "Length of the longest of the shortest paths inside the object between two of its voxel centres (Lantuéjoul & Maisonneuve 1984, doi:10.1016/0031-3203(84)90057-8), found in steps of up to two voxels along each axis and pulled straight where the straight line lies inside.",
        |o| o.extras.boxed().paths.geodesic.diameter,
    ),
    real("tortuosity", One, Geodesic, "Geodesic diameter ÷ distance of its ends.", |o| {
        o.extras.boxed().paths.geodesic.tortuosity
    }),
    real(
        "voronoi_volume",
        Length(3),
        Voronoi,
        "Volume of the voxels of the image that are nearer to the object than to any other, its own included.",
        |o| o.extras.voronoi() * o.frame.geometry.voxel_volume(),
    ),
    real("distance_to_reference_mean", Length(1), Reference, REFERENCE, |o| o.extras.reference()[0]),
    real("distance_to_reference_min", Length(1), Reference, REFERENCE, |o| o.extras.reference()[1]),
    real("radius_mean", Length(1), Radius, "Mean distance of the voxel centres from the centroid.", |o| {
        o.extras.radius()
    }),
    real("radius_sd", Length(1), Radius, "Standard deviation of that distance.", |o| {
        let mean = o.extras.radius();
        (o.variances.iter().sum::<f64>() - mean * mean).max(0.0).sqrt()
    }),
    real("feret_max", Length(1), Hull, FERET_MAX, |o| o.extras.hull().feret.max),
    real("feret_max_axis_x", One, Hull, FERET_MAX_AXIS, |o| o.extras.hull().feret.max_axis.x),
    real("feret_max_axis_y", One, Hull, FERET_MAX_AXIS, |o| o.extras.hull().feret.max_axis.y),
    real("feret_max_axis_z", One, Hull, FERET_MAX_AXIS, |o| o.extras.hull().feret.max_axis.z),
    real("feret_min", Length(1), Hull, FERET_MIN, |o| o.extras.hull().feret.min),
    real("feret_min_axis_x", One, Hull, FERET_MIN_AXIS, |o| o.extras.hull().feret.min_axis.x),
    real("feret_min_axis_y", One, Hull, FERET_MIN_AXIS, |o| o.extras.hull().feret.min_axis.y),
    real("feret_min_axis_z", One, Hull, FERET_MIN_AXIS, |o| o.extras.hull().feret.min_axis.z),
    real("convex_volume", Length(3), Hull, "Volume of the convex hull of the voxels' corners.", |o| {
        o.extras.hull().voxels * o.frame.geometry.voxel_volume()
    }),
    real("solidity", One, Hull, "Volume ÷ volume of the convex hull.", |o| {
        o.voxels.count as f64 / o.extras.hull().voxels
    }),
    real(
        "bounding_sphere_radius",
        Length(1),
        Hull,
        "Radius of the smallest ball around its voxels' corners (Welzl 1991, doi:10.1007/BFb0038202).",
        |o| o.extras.hull().bounding_radius,
    ),
    real("oriented_extent_1", Length(1), Oriented, ORIENTED, |o| o.extras.oriented().extent[0]),
    real("oriented_extent_2", Length(1), Oriented, ORIENTED, |o| o.extras.oriented().extent[1]),
    real("oriented_extent_3", Length(1), Oriented, ORIENTED, |o| o.extras.oriented().extent[2]),
    real("oriented_volume", Length(3), Oriented, "Volume of that box.", |o| o.extras.oriented().volume()),
    channel(
        "intensity_missing",
        One,
        Intensity,
        "Voxels whose intensity is NaN or infinite; no other column counts them.",
        |o, c| o.channels[c].missing as f64,
    ),
    channel("intensity_mean", AsInput, Intensity, "Mean of the finite intensities.", |o, c| {
        o.channels[c].mean
    }),
    channel("intensity_sd", AsInput, Deviations, "Standard deviation (of the population).", |o, c| {
        o.channels[c].sd
    }),
    channel("intensity_min", AsInput, Intensity, "Least intensity.", |o, c| o.channels[c].min),
    channel("intensity_max", AsInput, Intensity, "Greatest intensity.", |o, c| o.channels[c].max),
    channel("intensity_min_z", Index, Intensity, MIN_AT, |o, c| o.channels[c].min_at[0]),
    channel("intensity_min_y", Index, Intensity, MIN_AT, |o, c| o.channels[c].min_at[1]),
    channel("intensity_min_x", Index, Intensity, MIN_AT, |o, c| o.channels[c].min_at[2]),
    channel("intensity_max_z", Index, Intensity, MAX_AT, |o, c| o.channels[c].max_at[0]),
    channel("intensity_max_y", Index, Intensity, MAX_AT, |o, c| o.channels[c].max_at[1]),
    channel("intensity_max_x", Index, Intensity, MAX_AT, |o, c| o.channels[c].max_at[2]),
    channel("intensity_sum", AsInput, Intensity, "Sum of the intensities.", |o, c| o.channels[c].sum),
    channel("intensity_skewness", One, Deviations, "Third standardised moment.", |o, c| {
        o.channels[c].skewness
    }),
    channel("intensity_kurtosis", One, Deviations, "Fourth standardised moment − 3.", |o, c| {
        o.channels[c].kurtosis
    }),
    channel("weighted_centroid_z", Index, Deviations, WEIGHTED, |o, c| o.channels[c].centroid[0]),
    channel("weighted_centroid_y", Index, Deviations, WEIGHTED, |o, c| o.channels[c].centroid[1]),
    channel("weighted_centroid_x", Index, Deviations, WEIGHTED, |o, c| o.channels[c].centroid[2]),
    channel("weighted_sd_1", Length(1), Deviations, WEIGHTED_SD, |o, c| o.channels[c].sd_axes[0]),
    channel("weighted_sd_2", Length(1), Deviations, WEIGHTED_SD, |o, c| o.channels[c].sd_axes[1]),
    channel("weighted_sd_3", Length(1), Deviations, WEIGHTED_SD, |o, c| o.channels[c].sd_axes[2]),
    channel("intensity_p05", AsInput, Percentiles, PERCENTILE, |o, c| o.extras.percentile(c, 0)),
    channel("intensity_p25", AsInput, Percentiles, PERCENTILE, |o, c| o.extras.percentile(c, 1)),
    channel("intensity_median", AsInput, Percentiles, PERCENTILE, |o, c| o.extras.percentile(c, 2)),
    channel("intensity_p75", AsInput, Percentiles, PERCENTILE, |o, c| o.extras.percentile(c, 3)),
    channel("intensity_p95", AsInput, Percentiles, PERCENTILE, |o, c| o.extras.percentile(c, 4)),
    channel(
        "intensity_mode",
        AsInput,
        Mode,
        "The most frequent intensity, the least of several. Of intensities wider than 16 bits the centre of the fullest of 256 bins of one width from the object's least to its greatest.",
        |o, c| o.extras.mode(c),
    ),
    channel(
        "boundary_gradient_mean",
        IntensityPerLength,
        Boundary,
        "Mean magnitude of the gradient (central differences) on boundary voxels.",
        |o, c| o.extras.gradient(c),
    ),
];

/// A ratio that is NaN where it is not defined (single voxels, lines).
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { f64::NAN }
}

/// A chosen column and the channel that it is of (0 for columns of no channel).
#[derive(Clone, Copy)]
pub struct Chosen {
    /// The column.
    pub column: &'static Column,
    /// The channel.
    pub channel: usize,
}

/// The name that stands for all columns.
pub const ALL: &str = "all";
/// The name that stands for those that are made if none are named.
pub const DEFAULT: &str = "default";

impl Chosen {
    /// Whether a name stands for the column: its own, its group's, [`DEFAULT`] or [`ALL`].
    fn has_name(&self, name: &str) -> bool {
        name == ALL
            || name == DEFAULT && self.column.needs.cost().is_none()
            || name == self.column.needs.group()
            || name == self.column.name_for(self.channel)
    }
}

/// The columns of these names in the order of the table, `label` always first. A name is that of a
/// column, of a [group](Needs::group), [`ALL`] or [`DEFAULT`], which no names stand for, too: all
/// columns that the channels and the reference mask allow but those of [costly](Needs::cost) groups.
///
/// # Errors
/// A sentence that names what is not a column and the nearest one that is.
pub fn choose(names: Option<&[String]>, channels: usize, reference: bool) -> Result<Vec<Chosen>, String> {
    let all: Vec<Chosen> = (0..channels.max(1))
        .flat_map(|channel| {
            COLUMNS
                .iter()
                .filter(move |c| if c.per_channel() { channel < channels } else { channel == 0 })
                .filter(move |c| reference || c.needs != Needs::Reference)
                .map(move |column| Chosen { column, channel })
        })
        .collect();
    let default = [DEFAULT.to_owned()];
    let names = names.unwrap_or(&default);
    for name in names {
        if all.iter().any(|c| c.has_name(name)) {
            continue;
        }
        let with_channels = |c: &&Column| {
            c.per_channel() && (c.needs.group() == name || (0..16).any(|k| c.name_for(k) == *name))
        };
        if COLUMNS.iter().any(|c| with_channels(&c)) {
            return Err(format!("column \"{name}\" needs an intensity image that is not given"));
        }
        if COLUMNS.iter().any(|c| c.needs == Needs::Reference && (c.name == name || c.needs.group() == name))
        {
            return Err(format!("column \"{name}\" needs a reference mask that is not given"));
        }
        let known: Vec<String> = all.iter().map(|c| c.column.name_for(c.channel)).collect();
        let groups = all.iter().map(|c| c.column.needs.group()).chain([ALL, DEFAULT]);
        let hint = crate::error::suggestion(name, known.iter().map(String::as_str).chain(groups));
        return Err(format!("there is no column \"{name}\"{hint}"));
    }
    Ok(all
        .into_iter()
        .filter(|c| c.column.name == "label" || names.iter().any(|name| c.has_name(name)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_described() {
        for (i, c) in COLUMNS.iter().enumerate() {
            assert!(COLUMNS[i + 1..].iter().all(|d| d.name != c.name), "{} twice", c.name);
            assert!(c.doc.ends_with('.'), "{}", c.name);
        }
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_right_one() {
        let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert!(choose(Some(&names(&["sphericty"])), 0, false).err().unwrap().contains("\"sphericity\""));
        assert!(
            choose(Some(&names(&["intensity_mean"])), 0, false).err().unwrap().contains("intensity image")
        );
        let chosen = choose(Some(&names(&["volume", "intensity_2_mean"])), 2, false).unwrap();
        let found: Vec<_> = chosen.iter().map(|c| c.column.name_for(c.channel)).collect();
        assert_eq!(found, ["label", "volume", "intensity_2_mean"]);
    }

    #[test]
    fn groups_are_asked_for_by_name_and_costly_ones_not_by_default() {
        let of = |n: &[&str]| {
            let names: Vec<String> = n.iter().map(|s| (*s).to_owned()).collect();
            let chosen = choose(Some(&names), 1, false).unwrap();
            chosen.iter().map(|c| c.column.name).collect::<Vec<_>>()
        };
        assert_eq!(of(&["thickness"]), ["label", "thickness_mean", "thickness_sd", "thickness_max"]);
        let default: Vec<&str> = choose(None, 1, false).unwrap().iter().map(|c| c.column.name).collect();
        assert_eq!(of(&["default"]), default);
        for (name, made) in [
            ("volume", true),
            ("intensity_median", true),
            ("feret_max", true),
            ("thickness_mean", false),
            ("inscribed_radius", false),
            ("skeleton_length", false),
            ("geodesic_diameter", false),
            ("voronoi_volume", false),
            ("oriented_volume", false),
        ] {
            assert_eq!(default.contains(&name), made, "{name}");
        }
        assert_eq!(of(&["default", "thickness"]).len(), default.len() + 3);
        let all = of(&["all"]);
        for column in COLUMNS.iter().filter(|c| c.needs != Needs::Reference) {
            assert!(all.contains(&column.name), "{}", column.name);
            assert!(COLUMNS.iter().all(|c| c.name != column.needs.group()), "{}", column.needs.group());
        }
    }

    #[test]
    fn costs_are_said_in_words() {
        let cost = Needs::Thickness.cost().unwrap();
        let said = cost.estimate(256 * 256 * 256, 2);
        assert!(said.starts_with("local thickness: about ") && said.ends_with("where objects are large"));
    }
}
