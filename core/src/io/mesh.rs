//! Surface meshes to files: STL (binary), PLY (binary, little endian) and GLB (glTF 2.0).
//!
//! Positions are in the image's unit, which the header of an STL, a comment in a PLY and the extras of a GLB name;
//! glTF readers assume metres. A mesh far from the world's origin ([`Mesh::origin`]) gets 64-bit positions in a PLY;
//! elsewhere positions are relative to that origin, which the header of an STL names and the node of a GLB adds.

use super::atomic::AtomicFile;
use crate::error::PathContext;
use crate::table::Mesh;
use crate::{Error, Result};
use glam::DVec3;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The formats by their extensions.
pub const EXTENSIONS: [&str; 3] = ["stl", "ply", "glb"];

/// Whether a mesh can have this name.
///
/// # Errors
/// If it doesn't end in one of [`EXTENSIONS`].
pub fn check_name(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known))) {
        return Ok(());
    }
    Err(Error::file(path, "a mesh is written as .stl, .ply or .glb"))
}

/// Writes a mesh in the format of the path's extension: `stl`, `ply` or `glb`. The file appears when
/// it is complete. Returns a sentence for the user if positions in the file are relative to an origin of the mesh's own.
///
/// # Errors
/// An unknown extension, more triangles than the format can count, or a file that can't be written.
pub fn write(path: impl AsRef<Path>, mesh: &Mesh) -> Result<Option<String>> {
    let path = path.as_ref();
    check_name(path)?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let encode: fn(&mut dyn Write, &Mesh) -> std::io::Result<()> = match extension.as_str() {
        "stl" => stl,
        "ply" => ply,
        _ => glb,
    };
    if u32::try_from(mesh.triangles.len()).is_err() {
        return Err(Error::file(path, format!("{} triangles are too many for a file", mesh.triangles.len())));
    }
    let file = AtomicFile::create(path)?;
    let mut buffer = BufWriter::with_capacity(1 << 20, file.file());
    encode(&mut buffer, mesh).and_then(|()| buffer.flush()).at(path)?;
    drop(buffer);
    file.commit()?;
    let place = match extension.as_str() {
        "stl" => "its header names",
        "glb" => "its node's translation adds",
        _ => return Ok(None),
    };
    Ok(is_moved(mesh).then(|| {
        format!(
            "{}: positions are relative to {} {}, which {place}: 32-bit numbers can't tell voxels apart so far from \
             the world's origin; .ply has 64-bit positions",
            path.display(),
            origin(mesh),
            mesh.unit
        )
    }))
}

/// Whether positions are relative to an origin of the mesh's own.
fn is_moved(mesh: &Mesh) -> bool {
    mesh.origin != [0.0; 3]
}

/// The origin as text: x, y, z.
fn origin(mesh: &Mesh) -> String {
    mesh.origin.map(|v| format!("{v:e}")).join(" ")
}

/// A header of 80 bytes (`Voxelry nm` and, if there is one, `+ x y z` of the origin), the number of triangles, then for
/// each a normal, three corners, and two spare bytes (the label modulo 2¹⁶, where there are labels).
fn stl(out: &mut dyn Write, mesh: &Mesh) -> std::io::Result<()> {
    let mut text = format!("Voxelry {}", ascii(mesh));
    if is_moved(mesh) {
        text += &format!(" + {}", origin(mesh));
    }
    let mut header = [b' '; 80];
    for (to, byte) in header.iter_mut().zip(text.bytes()) {
        *to = byte;
    }
    out.write_all(&header)?;
    out.write_all(&(mesh.triangles.len() as u32).to_le_bytes())?;
    for (i, triangle) in mesh.triangles.iter().enumerate() {
        let corners = triangle.map(|v| mesh.vertices[v as usize]);
        let [a, b, c] = corners.map(|v| DVec3::from_array(v.map(f64::from)));
        let normal = (b - a).cross(c - a).try_normalize().unwrap_or(DVec3::ZERO).as_vec3().to_array();
        for v in [normal, corners[0], corners[1], corners[2]] {
            out.write_all(bytemuck::cast_slice(&v.map(f32::to_bits).map(u32::to_le)))?;
        }
        let label = mesh.labels.get(i).map_or(0, |l| *l as u16);
        out.write_all(&label.to_le_bytes())?;
    }
    Ok(())
}

/// The unit in ASCII.
fn ascii(mesh: &Mesh) -> String {
    mesh.unit.to_string().replace('µ', "u")
}

fn ply(out: &mut dyn Write, mesh: &Mesh) -> std::io::Result<()> {
    let number = if is_moved(mesh) { "double" } else { "float" };
    write!(
        out,
        "ply\nformat binary_little_endian 1.0\ncomment Voxelry; positions in {}\n\
         element vertex {}\nproperty {number} x\nproperty {number} y\nproperty {number} z\n\
         element face {}\nproperty list uchar uint vertex_indices\n{}end_header\n",
        ascii(mesh),
        mesh.vertices.len(),
        mesh.triangles.len(),
        if mesh.labels.is_empty() { "" } else { "property uint label\n" }
    )?;
    for v in &mesh.vertices {
        if is_moved(mesh) {
            for (origin, v) in mesh.origin.iter().zip(v) {
                out.write_all(&(origin + f64::from(*v)).to_le_bytes())?;
            }
        } else {
            out.write_all(bytemuck::cast_slice(&v.map(|c| c.to_bits().to_le())))?;
        }
    }
    for (i, t) in mesh.triangles.iter().enumerate() {
        out.write_all(&[3])?;
        out.write_all(bytemuck::cast_slice(&t.map(u32::to_le)))?;
        if let Some(label) = mesh.labels.get(i) {
            out.write_all(&label.to_le_bytes())?;
        }
    }
    Ok(())
}

/// glTF 2.0 as one binary file: one primitive a label.
fn glb(out: &mut dyn Write, mesh: &Mesh) -> std::io::Result<()> {
    let groups = by_label(mesh);
    let (vertices, triangles) = (mesh.vertices.len() * 12, mesh.triangles.len() * 12);
    let json = glb_header(mesh, &groups, vertices, triangles);
    let mut json = json.into_bytes();
    json.resize(json.len().next_multiple_of(4), b' ');
    let total = 12 + 8 + json.len() + 8 + vertices + triangles;
    let total = u32::try_from(total)
        .map_err(|_| std::io::Error::other("a GLB file can't be larger than 4 GiB; use .ply"))?;
    out.write_all(b"glTF")?;
    for word in [2, total, json.len() as u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(b"JSON")?;
    out.write_all(&json)?;
    out.write_all(&((vertices + triangles) as u32).to_le_bytes())?;
    out.write_all(b"BIN\0")?;
    for v in &mesh.vertices {
        out.write_all(bytemuck::cast_slice(&v.map(|c| c.to_bits().to_le())))?;
    }
    for (_, members) in &groups {
        for t in members {
            out.write_all(bytemuck::cast_slice(&mesh.triangles[*t].map(u32::to_le)))?;
        }
    }
    Ok(())
}

/// Triangles grouped by label, in ascending order.
fn by_label(mesh: &Mesh) -> Vec<(u32, Vec<usize>)> {
    if mesh.labels.is_empty() {
        return vec![(0, (0..mesh.triangles.len()).collect())];
    }
    let mut groups = std::collections::BTreeMap::<u32, Vec<usize>>::new();
    for (i, label) in mesh.labels.iter().enumerate() {
        groups.entry(*label).or_default().push(i);
    }
    groups.into_iter().collect()
}

fn glb_header(mesh: &Mesh, groups: &[(u32, Vec<usize>)], vertices: usize, triangles: usize) -> String {
    let asset =
        serde_json::json!({ "version": "2.0", "generator": "Voxelry", "extras": { "unit": ascii(mesh) } });
    if mesh.triangles.is_empty() {
        return serde_json::json!({ "asset": asset, "scene": 0, "scenes": [{}] }).to_string();
    }
    let mut low = [f32::INFINITY; 3];
    let mut high = [f32::NEG_INFINITY; 3];
    for v in &mesh.vertices {
        for a in 0..3 {
            low[a] = low[a].min(v[a]);
            high[a] = high[a].max(v[a]);
        }
    }
    let mut accessors = vec![serde_json::json!({
        "bufferView": 0, "componentType": 5126, "count": mesh.vertices.len(), "type": "VEC3",
        "min": low, "max": high
    })];
    let mut primitives = Vec::new();
    let mut offset = 0;
    for (label, members) in groups {
        primitives.push(serde_json::json!({
            "attributes": { "POSITION": 0 }, "indices": accessors.len(), "mode": 4,
            "extras": { "label": label }
        }));
        accessors.push(serde_json::json!({
            "bufferView": 1, "byteOffset": offset, "componentType": 5125,
            "count": members.len() * 3, "type": "SCALAR"
        }));
        offset += members.len() * 12;
    }
    let mut node = serde_json::json!({ "mesh": 0 });
    if is_moved(mesh) {
        node["translation"] = serde_json::json!(mesh.origin);
    }
    serde_json::json!({
        "asset": asset,
        "scene": 0,
        "scenes": [{ "nodes": [0] }],
        "nodes": [node],
        "meshes": [{ "primitives": primitives }],
        "accessors": accessors,
        "bufferViews": [
            { "buffer": 0, "byteOffset": 0, "byteLength": vertices, "target": 34962 },
            { "buffer": 0, "byteOffset": vertices, "byteLength": triangles, "target": 34963 }
        ],
        "buffers": [{ "byteLength": vertices + triangles }]
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;

    fn tetrahedron() -> Mesh {
        Mesh {
            origin: [0.0; 3],
            unit: Unit::Millimetre,
            vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            triangles: vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
            labels: vec![],
        }
    }

    #[test]
    fn files_have_the_sizes_that_their_headers_say() {
        let folder = tempfile::tempdir().unwrap();
        let mut mesh = tetrahedron();
        for labels in [vec![], vec![1, 2, 1, 2]] {
            mesh.labels = labels;
            for extension in EXTENSIONS {
                write(folder.path().join(format!("m.{extension}")), &mesh).unwrap();
            }
            let stl = std::fs::read(folder.path().join("m.stl")).unwrap();
            assert_eq!(stl.len(), 84 + 4 * 50);
            assert_eq!(stl[80], 4);
            let ply = std::fs::read(folder.path().join("m.ply")).unwrap();
            let header = ply.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
            assert_eq!(ply.len(), header + 4 * 12 + 4 * (13 + if mesh.labels.is_empty() { 0 } else { 4 }));
            let glb = std::fs::read(folder.path().join("m.glb")).unwrap();
            assert_eq!(glb.len(), u32::from_le_bytes(glb[8..12].try_into().unwrap()) as usize);
            let json = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
            let value: serde_json::Value = serde_json::from_slice(&glb[20..20 + json]).unwrap();
            assert_eq!(value["buffers"][0]["byteLength"], 4 * 12 * 2);
        }
    }

    #[test]
    fn an_origin_is_named_or_added() {
        let folder = tempfile::tempdir().unwrap();
        let mesh = Mesh { origin: [1e8, -1.25, 3.0], unit: Unit::Micrometre, ..tetrahedron() };
        let path = |extension: &str| folder.path().join(format!("m.{extension}"));
        for (extension, said) in [("stl", true), ("ply", false), ("glb", true)] {
            let note = write(path(extension), &mesh).unwrap();
            assert_eq!(note.is_some_and(|n| n.contains("1e8 -1.25e0 3e0 µm")), said, "{extension}");
        }
        let stl = std::fs::read(path("stl")).unwrap();
        assert!(stl.starts_with(b"Voxelry um + 1e8 -1.25e0 3e0 "));
        // The first corner of the first triangle, relative to the origin.
        assert_eq!(stl[96..108], [0; 12]);
        let ply = std::fs::read(path("ply")).unwrap();
        let header = ply.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
        assert!(
            String::from_utf8_lossy(&ply[..header])
                .contains("positions in um\nelement vertex 4\nproperty double x")
        );
        let x = |vertex: usize| f64::from_le_bytes(ply[header + vertex * 24..][..8].try_into().unwrap());
        assert_eq!((x(0), x(1)), (1e8, 1e8 + 1.0));
        let glb = std::fs::read(path("glb")).unwrap();
        let json = u32::from_le_bytes(glb[12..16].try_into().unwrap()) as usize;
        let value: serde_json::Value = serde_json::from_slice(&glb[20..20 + json]).unwrap();
        assert_eq!(value["nodes"][0]["translation"], serde_json::json!([1e8, -1.25, 3.0]));
        assert_eq!(value["accessors"][0]["max"], serde_json::json!([1.0, 1.0, 1.0]));
    }

    #[test]
    fn normals_of_tiny_triangles_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut mesh = tetrahedron();
        mesh.vertices.iter_mut().flatten().for_each(|v| *v *= 1e-13);
        let path = folder.path().join("m.stl");
        write(&path, &mesh).unwrap();
        let stl = std::fs::read(path).unwrap();
        let z = f32::from_le_bytes(stl[92..96].try_into().unwrap());
        assert_eq!(z, -1.0);
    }

    #[test]
    fn empty_meshes_and_wrong_names_are_handled() {
        let folder = tempfile::tempdir().unwrap();
        for extension in EXTENSIONS {
            write(folder.path().join(format!("m.{extension}")), &Mesh::default()).unwrap();
        }
        assert!(write(folder.path().join("m.obj"), &Mesh::default()).is_err());
    }
}
