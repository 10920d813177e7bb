//! Surface meshes.

mod cases;
mod surface;
#[cfg(test)]
mod tests;

use super::Operator;
use crate::algorithms::components::rows::pack;
use crate::program::{
    Block, Call, Default, FieldSpec, Grid, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode,
};
use crate::table::Mesh;
use crate::{Geometry, Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use glam::DVec3;
use multiversion::multiversion;
use ndarray::Array3;
use std::sync::Arc;
use surface::{Points, extract};

/// Surface meshes.
pub struct SurfaceMesh;

static SPEC: Spec = Spec {
    id: "mesh",
    group: Group::Objects,
    summary: "Makes the surface of a mask, of a grey level, or of every label, as triangles in world coordinates.",
    details: "Marching cubes (Lorensen & Cline 1987, doi:10.1145/37401.37422) in the manner of flying edges \
        (Schroeder, Maynard & Geveci 2015, doi:10.1109/LDAV.2015.7348069), with faces cut alike in both cells \
        that share them, so that every edge has exactly two triangles. Inside is what is at least the level; \
        vertices are interpolated along the edges of the grid, and lie half-way for masks and labels. Each \
        label has a closed surface of its own; neighbouring labels share vertices. NaN is outside. \
        Positions are those of voxel centres in the image's geometry, and triangles are counter-clockwise seen \
        from outside, in mirrored images too. An image far from the world's origin is meshed relative to its \
        first voxel, whose position files name or add again. Exact block by block; the mesh is held in memory.",
    inputs: &[Input {
        name: "input",
        kinds: &[Kind::Grey, Kind::Mask, Kind::Labels],
        optional: false,
        help: "A mask, labels, or a grey image.",
    }],
    output: Produces::Mesh,
    params: &[
        Param {
            name: "level",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Absent,
            help: "Intensity at the surface; needed for a grey image, otherwise left out.",
        },
        Param {
            name: "closed",
            ty: ParamType::Bool,
            default: Default::Value("true"),
            help: "Whether surfaces are closed where objects meet the border of the image.",
        },
    ],
};

impl Operator for SurfaceMesh {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let level = match (grid.kind, call.args.maybe_float("level")) {
            (Kind::Grey, None) => return Err(call.error("a grey image needs a level")),
            (_, level) => level.unwrap_or(0.5),
        };
        let kernel = MeshKernel {
            shape: grid.shape,
            geometry: grid.geometry,
            origin: origin(&grid),
            level,
            labelled: grid.kind == Kind::Labels,
            grey: grid.kind == Kind::Grey,
            closed: call.args.bool("closed"),
        };
        Ok(Prepared::new(grid, kernel).scratch(0.6))
    }
}

/// World position that vertices are relative to. Where rounding positions to `f32` moves vertices by no more than a
/// thousandth of a voxel it is 0, so that they are world positions; otherwise it is, nearly, the first voxel's.
fn origin(grid: &Grid) -> DVec3 {
    let geometry = &grid.geometry;
    let voxel = geometry.spacing().into_iter().fold(f64::INFINITY, f64::min);
    let first = geometry.world_from_index.translation;
    // `f32` has 24 binary digits.
    if first.abs().max_element() <= voxel * f64::from(1 << 14) {
        return DVec3::ZERO;
    }
    // Ten digits are near enough, and all three fit into the header of an STL.
    DVec3::from_array(first.to_array().map(|v| format!("{v:.9e}").parse().unwrap_or(v)))
}

struct MeshKernel {
    shape: [usize; 3],
    geometry: Geometry,
    origin: DVec3,
    level: f64,
    labelled: bool,
    grey: bool,
    closed: bool,
}

/// Points of a window: voxels of a part of the image, and one more around it where the surface is to
/// be closed.
struct SampleWindow<'a, T> {
    kernel: &'a MeshKernel,
    array: &'a Array3<T>,
    /// The voxels that `array` holds.
    held: Region,
    /// The first point, in voxels of the image; −1 where the surface is closed.
    start: [isize; 3],
    shape: [usize; 3],
}

impl<'a, T: Voxel> SampleWindow<'a, T> {
    /// The points of the cells that begin in `out`.
    fn new(kernel: &'a MeshKernel, array: &'a Array3<T>, held: Region, out: Region) -> Self {
        let mut start = out.start.map(|s| s as isize);
        let mut shape = [0; 3];
        for a in 0..3 {
            let mut end = out.end()[a] as isize;
            if kernel.closed && start[a] == 0 {
                start[a] = -1;
            }
            if kernel.closed || end < kernel.shape[a] as isize {
                end += 1;
            }
            shape[a] = (end - start[a]) as usize;
        }
        Self { kernel, array, held, start, shape }
    }

    /// The voxels of a row of points, and how many points come before them; none beyond the border.
    fn voxels(&self, [z, y]: [usize; 2]) -> Option<(usize, &[T])> {
        let [z, y, x] = self.at([z, y, 0]);
        let inside = |v: isize, a: usize| (0..self.kernel.shape[a] as isize).contains(&v);
        if !inside(z, 0) || !inside(y, 1) {
            return None;
        }
        let [_, ny, nx] = self.held.shape;
        let row = (z as usize - self.held.start[0]) * ny + (y as usize - self.held.start[1]);
        let skip = usize::from(x < 0);
        let from = (x + skip as isize) as usize - self.held.start[2];
        let voxels = self.array.as_slice().expect("volumes are in C order");
        Some((skip, &voxels[row * nx + from..(row + 1) * nx]))
    }

    #[inline(always)]
    fn at(&self, point: [usize; 3]) -> [isize; 3] {
        std::array::from_fn(|a| self.start[a] + point[a] as isize)
    }
}

impl<T: Voxel> Points for SampleWindow<'_, T> {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn labelled(&self) -> bool {
        self.kernel.labelled
    }

    fn mirrored(&self) -> bool {
        self.kernel.geometry.is_mirrored()
    }

    fn labels(&self, z: usize, y: usize, labels: &mut Vec<u32>) {
        labels.clear();
        labels.resize(self.shape[2], 0);
        if let Some((skip, row)) = self.voxels([z, y]) {
            if T::TYPE == VoxelType::U32 {
                let n = row.len().min(labels.len() - skip);
                labels[skip..skip + n].copy_from_slice(&bytemuck::cast_slice(row)[..n]);
            } else {
                labels[skip..].iter_mut().zip(row).for_each(|(t, v)| *t = v.to_f64() as u32);
            }
        }
    }

    fn inside(&self, z: usize, y: usize, bits: &mut [u64]) {
        let Some((skip, row)) = self.voxels([z, y]) else { return };
        let n = row.len().min(self.shape[2] - skip);
        mark(&row[..n], self.kernel.level, skip, bits);
    }

    #[inline(always)]
    fn vertices(
        &self,
        [z, y]: [usize; 2],
        axis: usize,
        points: &[u64],
        mut put: impl FnMut(usize, [f32; 3]),
    ) {
        if points.iter().all(|w| *w == 0) {
            return;
        }
        let start = self.at([z, y, 0]);
        let mut world = self.kernel.geometry.world_from_index;
        world.translation -= self.kernel.origin;
        let origin = world.transform_point3(DVec3::new(0.0, start[1] as f64, start[0] as f64));
        let (across, along) = (world.matrix3.x_axis, world.matrix3.col(axis));
        let to = [[z, y], [z, y + 1], [z + 1, y]][axis];
        let values = self.kernel.grey.then(|| Some((self.voxels([z, y])?, self.voxels(to)?))).flatten();
        let next = usize::from(axis == 0);
        for (w, mut left) in points.iter().copied().enumerate() {
            while left != 0 {
                let x = w * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let mut t = 0.5;
                if let Some(((skip, from), (_, to))) = values
                    && let (Some(a), Some(b)) =
                        (from.get(x.wrapping_sub(skip)), to.get((x + next).wrapping_sub(skip)))
                {
                    let (a, b) = (a.to_f64(), b.to_f64());
                    let part = (self.kernel.level - a) / (b - a);
                    if (0.0..=1.0).contains(&part) {
                        t = part;
                    }
                }
                let at = origin + across * (start[2] + x as isize) as f64 + along * t;
                put(x, at.as_vec3().to_array());
            }
        }
    }
}

/// Sets the bits, from `skip` on, of the voxels that are at least `level`.
#[multiversion(targets("x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt", "aarch64+neon"))]
fn mark<T: Voxel>(row: &[T], level: f64, skip: usize, bits: &mut [u64]) {
    // Types that `f32` holds are compared as such, with the least `f32` that isn't below the level.
    use VoxelType::{F32, I8, I16, U8, U16};
    let narrow = matches!(T::TYPE, U8 | I8 | U16 | I16 | F32);
    let least = level as f32;
    let least = if f64::from(least) < level { least.next_up() } else { least };
    let mut inside = [0u8; 64];
    for (i, voxels) in row.chunks(64).enumerate() {
        if voxels.len() < 64 {
            inside = [0; 64];
        }
        for (b, v) in inside.iter_mut().zip(voxels) {
            *b = u8::from(if narrow { v.to_f64() as f32 >= least } else { v.to_f64() >= level });
        }
        let word = pack(&inside);
        bits[i] |= word << skip;
        if skip > 0 && word >> (64 - skip) != 0 {
            bits[i + 1] |= word >> (64 - skip);
        }
    }
}

impl MeshKernel {
    fn mesh(&self, vertices: Vec<[f32; 3]>, triangles: Vec<[u32; 3]>, labels: Vec<u32>) -> Mesh {
        Mesh { origin: self.origin.to_array(), unit: self.geometry.unit, vertices, triangles, labels }
    }
}

impl Kernel for MeshKernel {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].as_deref().expect("the first input is required");
        let whole = Region::whole(self.shape);
        let surface =
            with_volume!(input, |a| extract(&SampleWindow::new(self, a, whole, whole), false, job))?;
        Ok(Output::Mesh(self.mesh(surface.vertices, surface.triangles, surface.labels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// What a block finds: vertices with their keys, triangles of keys with their cell and label.
type BlockSurface = (Vec<(u64, [f32; 3])>, Vec<([u64; 3], u64, u32)>);

/// Vertices, and triangles of their numbers with labels.
type Numbered = (Vec<[f32; 3]>, Vec<([u32; 3], u32)>);

impl Program for MeshKernel {
    type Phase = ();
    type State = Numbered;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![]
    }

    fn phases(&self) -> Vec<()> {
        vec![()]
    }

    fn declare(&self, (): ()) -> Phase {
        Phase::blocks("surface", vec![Source::Input(0, [1; 3])], vec![])
    }

    fn result(&self) -> Option<usize> {
        None
    }

    fn run(
        &self,
        (): (),
        _: &Numbered,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = inputs[0].as_deref().expect("the first input is required");
        let (surface, start) = with_volume!(input, |a| {
            let window = SampleWindow::new(self, a, block.sources[0], block.out);
            (extract(&window, true, &job.part())?, window.start)
        });
        // Keys order as vertices and cells do in the whole image, one point wider on each side.
        let place =
            |p: [u32; 3]| -> [u64; 3] { std::array::from_fn(|a| (start[a] + p[a] as isize + 1) as u64) };
        let [_, ny, nx] = self.shape.map(|n| n as u64 + 2);
        let keys: Vec<u64> = surface
            .edges
            .iter()
            .map(|(p, axis)| {
                let [z, y, x] = place(*p);
                ((z * ny + y) * 3 + u64::from(*axis)) * nx + x
            })
            .collect();
        let triangles = surface.triangles.iter().zip(&surface.cells).enumerate().map(|(i, (t, cell))| {
            let [z, y, x] = place(*cell);
            let label = surface.labels.get(i).copied().unwrap_or(0);
            (t.map(|v| keys[v as usize]), (z * ny + y) * nx + x, label)
        });
        let triangles: Vec<_> = triangles.collect();
        let vertices: Vec<_> = keys.iter().copied().zip(surface.vertices.iter().copied()).collect();
        let found: BlockSurface = (vertices, triangles);
        Ok((vec![], encode(&found)))
    }

    fn merge(&self, (): (), state: &mut Numbered, partials: Partials) -> Result<Next> {
        let (mut vertices, mut triangles): BlockSurface = (vec![], vec![]);
        for partial in partials {
            let (mut v, mut t): BlockSurface = decode(&partial?.1)?;
            vertices.append(&mut v);
            triangles.append(&mut t);
        }
        vertices.sort_by_key(|v| v.0);
        vertices.dedup_by_key(|v| v.0);
        triangles.sort_by_key(|t| t.1);
        let number = |key: &u64| vertices.binary_search_by_key(key, |v| v.0).map_or(0, |i| i as u32);
        state.1 =
            triangles.iter().map(|(t, _, label)| (std::array::from_fn(|i| number(&t[i])), *label)).collect();
        state.0 = vertices.into_iter().map(|v| v.1).collect();
        Ok(Next::Continue)
    }

    fn finish(&self, (vertices, numbered): Numbered) -> Result<Output> {
        let triangles = numbered.iter().map(|t| t.0).collect();
        let labels = if self.labelled { numbered.iter().map(|t| t.1).collect() } else { vec![] };
        Ok(Output::Mesh(self.mesh(vertices, triangles, labels)))
    }
}
