//! The images that OME-XML describes.

use super::IgnoreNamespace;
use crate::VoxelType;
use crate::io::DatasetInfo;
use roxmltree::{Document, Node};
use std::collections::HashMap;

/// One of the images, and what of it is listed.
pub(super) struct Image<'a, 'input> {
    pub pixels: Node<'a, 'input>,
    pub info: DatasetInfo,
}

/// All images that have pixels.
pub(super) fn list<'a, 'input>(document: &'a Document<'input>) -> Vec<Image<'a, 'input>> {
    let all: Vec<Node> =
        document.descendants().filter(|n| n.has_tag_name_ignoring_namespace("Pixels")).collect();
    let own_name =
        |pixels: &Node| pixels.parent().and_then(|n| n.attribute("Name")).unwrap_or("").trim().to_owned();
    let mut uses: HashMap<String, usize> = HashMap::new();
    for pixels in &all {
        *uses.entry(own_name(pixels)).or_default() += 1;
    }
    all.into_iter()
        .enumerate()
        .map(|(number, pixels)| {
            let name = own_name(&pixels);
            let id = pixels.parent().and_then(|n| n.attribute("ID")).unwrap_or("");
            // A name that several have names none of them.
            let (name, rest) = match (name.is_empty() || uses[&name] > 1, id.is_empty()) {
                (false, _) => (name, String::new()),
                (true, false) => (id.to_owned(), name),
                (true, true) => (format!("image {}", number + 1), name),
            };
            let mut title: Vec<String> = [rest].into_iter().filter(|t| !t.is_empty()).collect();
            title.extend(stage(pixels));
            Image { pixels, info: describe(pixels, name, title.join(", ")) }
        })
        .collect()
}

fn describe(pixels: Node, name: String, title: String) -> DatasetInfo {
    let size = |name: &str| pixels.attribute(name).and_then(|v| v.trim().parse().ok()).unwrap_or(0);
    let voxel = match pixels.attribute("Type").unwrap_or_default() {
        "int8" => VoxelType::I8,
        "uint16" => VoxelType::U16,
        "int16" => VoxelType::I16,
        "uint32" => VoxelType::U32,
        "int32" => VoxelType::I32,
        "float" => VoxelType::F32,
        "double" => VoxelType::F64,
        _ => VoxelType::U8,
    };
    DatasetInfo {
        name,
        title,
        shape: [size("SizeZ"), size("SizeY"), size("SizeX")],
        channels: size("SizeC"),
        times: size("SizeT"),
        voxel,
        open: false,
    }
}

/// Where the stage stood for the first plane.
fn stage(pixels: Node) -> Option<String> {
    let label = pixels
        .parent()
        .and_then(|image| image.children().find(|n| n.has_tag_name_ignoring_namespace("StageLabel")))
        .and_then(|n| n.attribute("Name"))
        .map(str::to_owned);
    let plane = pixels.children().find(|n| n.has_tag_name_ignoring_namespace("Plane"));
    let position = plane.and_then(|plane| {
        let (x, y) = (plane.attribute("PositionX")?, plane.attribute("PositionY")?);
        let unit = plane.attribute("PositionXUnit").unwrap_or("reference frame");
        let z = plane.attribute("PositionZ").map(|z| format!(", {z}")).unwrap_or_default();
        Some(format!("position {x}, {y}{z} {unit}"))
    });
    let parts: Vec<String> = [label, position].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
