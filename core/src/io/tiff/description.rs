//! What a written file says of itself: ImageJ's lines, OME-XML, or JSON for types that neither has.

use super::super::ImageSpec;
use crate::{Unit, VoxelType};
use std::fmt::Write;

/// In which form a file describes its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    ImageJ,
    Ome,
    Json,
}

impl Style {
    /// ImageJ's form for the types that ImageJ has, OME-XML where that is asked for or ImageJ does
    /// not know the type, and JSON for 64-bit integers, which neither knows.
    pub(super) fn of(voxel: VoxelType, ome: bool) -> Self {
        match voxel {
            VoxelType::U64 | VoxelType::I64 => Self::Json,
            VoxelType::U8 | VoxelType::U16 | VoxelType::F32 if !ome => Self::ImageJ,
            _ => Self::Ome,
        }
    }

    /// Where the page of a time, channel and slice stands in the chain of pages.
    pub(super) fn page(self, spec: &ImageSpec, time: usize, channel: usize, z: usize) -> usize {
        let (channels, depth) = (spec.channels.len(), spec.shape[0]);
        match self {
            // ImageJ knows one order: channels fastest.
            Self::ImageJ => (time * depth + z) * channels + channel,
            Self::Ome | Self::Json => (time * channels + channel) * depth + z,
        }
    }

    /// The text of the first page's `ImageDescription`.
    pub(super) fn text(self, spec: &ImageSpec) -> String {
        match self {
            Self::ImageJ => imagej(spec),
            Self::Ome => ome(spec),
            Self::Json => json(spec),
        }
    }
}

/// The unit as ImageJ writes it.
fn imagej_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Voxel => "pixel",
        Unit::Micrometre => "micron",
        other => other.symbol(),
    }
}

fn imagej(spec: &ImageSpec) -> String {
    let ([depth, ..], channels) = (spec.shape, spec.channels.len());
    let mut text = String::from("ImageJ=1.54f\n");
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{key}={value}");
    };
    line("images", &(depth * channels * spec.times));
    if channels > 1 {
        line("channels", &channels);
    }
    line("slices", &depth);
    if spec.times > 1 {
        line("frames", &spec.times);
    }
    if channels > 1 || spec.times > 1 {
        line("hyperstack", &true);
    }
    if channels > 1 {
        line("mode", &"composite");
    }
    line("unit", &imagej_unit(spec.geometry.unit));
    line("spacing", &spec.geometry.spacing()[0]);
    if let Some(step) = spec.time_step {
        line("finterval", &step);
        line("tunit", &"sec");
    }
    line("loop", &false);
    text
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML 1.0 at all.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn ome(spec: &ImageSpec) -> String {
    let [z, y, x] = spec.shape;
    let pixel_type = match spec.voxel {
        VoxelType::U8 => "uint8",
        VoxelType::I8 => "int8",
        VoxelType::U16 => "uint16",
        VoxelType::I16 => "int16",
        VoxelType::U32 => "uint32",
        VoxelType::I32 => "int32",
        VoxelType::F32 => "float",
        _ => "double",
    };
    let (channels, times) = (spec.channels.len(), spec.times);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    text.push_str(
        "<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://www.openmicroscopy.org/Schemas/OME/2016-06 \
         http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd\" Creator=\"Voxelry\">",
    );
    let _ = write!(
        text,
        "<Image ID=\"Image:0\" Name=\"Image\"><Pixels ID=\"Pixels:0\" DimensionOrder=\"XYZCT\" \
         Type=\"{pixel_type}\" BigEndian=\"false\" SizeX=\"{x}\" SizeY=\"{y}\" SizeZ=\"{z}\" SizeC=\"{channels}\" SizeT=\"{times}\""
    );
    let spacing = spec.geometry.spacing();
    let unit = if spec.geometry.unit == Unit::Voxel { "pixel" } else { spec.geometry.unit.symbol() };
    for (axis, size) in [("X", spacing[2]), ("Y", spacing[1]), ("Z", spacing[0])] {
        if size > 0.0 && size.is_finite() {
            let _ = write!(text, " PhysicalSize{axis}=\"{size}\" PhysicalSize{axis}Unit=\"{unit}\"");
        }
    }
    if let Some(step) = spec.time_step.filter(|s| s.is_finite()) {
        let _ = write!(text, " TimeIncrement=\"{step}\" TimeIncrementUnit=\"s\"");
    }
    text.push('>');
    for (i, channel) in spec.channels.iter().enumerate() {
        let _ = write!(text, "<Channel ID=\"Channel:0:{i}\" SamplesPerPixel=\"1\"");
        if !channel.name.is_empty() {
            let _ = write!(text, " Name=\"{}\"", escape(&channel.name));
        }
        if let Some([r, g, b]) = channel.color {
            let _ = write!(text, " Color=\"{}\"", i32::from_be_bytes([r, g, b, 255]));
        }
        text.push_str("/>");
    }
    let _ =
        write!(text, "<TiffData IFD=\"0\" PlaneCount=\"{}\"/></Pixels></Image></OME>", z * channels * times);
    text
}

fn json(spec: &ImageSpec) -> String {
    let [z, y, x] = spec.shape;
    let [dz, dy, dx] = spec.geometry.spacing();
    let shape = [spec.times, spec.channels.len(), z, y, x];
    let unit = spec.geometry.unit.symbol();
    // Starts as the Python library tifffile starts its own, which reads this.
    let mut text = format!("{{\"shape\": {shape:?}, \"axes\": \"TCZYX\"");
    let fields = serde_json::json!({
        "PhysicalSizeX": dx, "PhysicalSizeY": dy, "PhysicalSizeZ": dz, "unit": unit,
        "TimeIncrement": spec.time_step,
        "channels": spec.channels.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
    });
    if let Some(fields) = fields.as_object() {
        for (key, value) in fields.iter().filter(|(_, v)| !v.is_null()) {
            let _ = write!(text, ", \"{key}\": {value}");
        }
    }
    text.push('}');
    // TIFF text is ASCII; JSON can say the rest in escapes.
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        let mut units = [0; 2];
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}
