//! Surfaces of triangles.

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
