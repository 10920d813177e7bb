//! Measurements: tables, meshes and the figures of single images. The sums that make up a table
//! live here; [`crate::ops`] has the operators that call them.

pub mod balls;
pub mod bits;
pub mod boundary;
pub mod boxes;
pub mod channel;
pub mod columns;
pub mod crofton;
pub mod csv;
pub mod distribution;
pub mod distributions;
pub mod enclosing;
pub mod exact;
pub mod exact_sum;
pub mod expression;
pub mod extras;
pub mod films;
pub mod foam;
pub mod geodesic;
pub mod histogram;
pub mod hull;
pub mod image;
pub mod index;
pub mod intensity;
pub mod intercepts;
pub mod kdtree;
pub mod linear;
pub mod local_area;
pub mod mode;
pub mod moments;
pub mod object;
pub mod objects;
pub mod overlap;
pub mod parquet;
pub mod partitions;
pub mod pass;
pub mod percentiles;
pub mod quality;
pub mod regions;
pub mod rows;
pub mod run;
pub mod scan;
pub mod skeleton;
pub mod slices;
pub mod spill;
pub mod state;
pub mod structure;
pub mod sums;
pub mod table;
pub mod thickness;
pub mod voronoi;

/// A surface of triangles; positions `(x, y, z)` in world units.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// World position that `vertices` are relative to: 0 unless the image lies so far from the world's origin that
    /// `f32` can't tell its voxels apart.
    pub origin: [f64; 3],
    /// Unit of positions.
    pub unit: crate::Unit,
    /// Vertices, relative to `origin`.
    pub vertices: Vec<[f32; 3]>,
    /// Triangles, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// The label that each triangle belongs to; empty if there is only one surface.
    pub labels: Vec<u32>,
}

impl Mesh {
    /// Keeps the triangles of the labels that are `wanted`, and their vertices.
    pub fn keep(&mut self, wanted: impl Fn(u32) -> bool) {
        let labels = std::mem::take(&mut self.labels);
        let triangles = std::mem::take(&mut self.triangles).into_iter().zip(labels);
        (self.triangles, self.labels) = triangles.filter(|(_, label)| wanted(*label)).unzip();
        let mut numbers = vec![u32::MAX; self.vertices.len()];
        let mut vertices = Vec::new();
        for vertex in self.triangles.iter_mut().flatten() {
            let number = &mut numbers[*vertex as usize];
            if *number == u32::MAX {
                *number = vertices.len() as u32;
                vertices.push(self.vertices[*vertex as usize]);
            }
            *vertex = *number;
        }
        self.vertices = vertices;
    }
}

/// A named table of measurements; units are in the metadata of its columns (key `unit`).
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `objects`, `contacts`, `image`, …
    pub name: String,
    /// The rows.
    pub batch: arrow::record_batch::RecordBatch,
}
