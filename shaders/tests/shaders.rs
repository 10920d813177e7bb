//! Every shader is valid, and its uniforms are laid out as the structs that fill them.

use naga::proc::Layouter;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use voxelry_shaders::{image, slice, volume};

const SOURCES: [(&str, &str); 4] = [
    ("slice of intensities", slice::GREY),
    ("slice of labels", slice::LABELS),
    ("rays through intensities", volume::GREY),
    ("rays through labels", volume::LABELS),
];

fn parse(name: &str, source: &str) -> naga::Module {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    let validated = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    validated.unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    module
}

#[test]
fn every_shader_is_valid_within_the_webgpu_baseline() {
    for (name, source) in SOURCES {
        let module = parse(name, source);
        for entry in &module.entry_points {
            assert!(
                ["vertex", "fragment", "pick", "depth"].contains(&entry.name.as_str()),
                "{name}: {}",
                entry.name
            );
        }
    }
}

#[test]
fn uniforms_have_the_layout_of_the_structs_that_fill_them() {
    let expected = [
        ("Image", image::UNIFORM_FIELDS, image::UNIFORM_SIZE),
        ("Sheet", slice::UNIFORM_FIELDS, slice::UNIFORM_SIZE),
        ("View", volume::UNIFORM_FIELDS, volume::UNIFORM_SIZE),
    ];
    let mut seen = 0;
    for (name, source) in SOURCES {
        let module = parse(name, source);
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        for (handle, ty) in module.types.iter() {
            let naga::TypeInner::Struct { members, span } = &ty.inner else { continue };
            let Some((_, fields, size)) = expected.iter().find(|e| Some(e.0) == ty.name.as_deref()) else {
                continue;
            };
            let found: Vec<(&str, usize)> =
                members.iter().map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize)).collect();
            let wanted: Vec<(&str, usize)> =
                fields.iter().copied().filter(|f| !f.0.starts_with("pad")).collect();
            let found: Vec<(&str, usize)> = found.into_iter().filter(|f| !f.0.starts_with("pad")).collect();
            assert_eq!(found, wanted, "{name}");
            assert_eq!(*span as usize, *size, "{name}");
            assert_eq!(layouter[handle].size as usize, *size);
            seen += 1;
        }
    }
    assert_eq!(seen, 8, "each shader has an image and a view or sheet");
}
