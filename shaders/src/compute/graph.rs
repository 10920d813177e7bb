//! Passes over an image and what they read: a chain of steps as a graph, from which the shaders are put
//! together. No device is needed here.

use std::sync::Arc;
use voxelry_core::{Region, Volume, VoxelType};

/// The number of a node.
pub type Slot = usize;

/// A step from each voxel to itself, which rides on the pass that makes the voxel.
#[derive(Debug, Clone)]
pub struct Point {
    /// Defines `fn POINT(v: u32, at: vec3<i32>) -> u32` on the bits of voxels. `TABLE` stands for where its
    /// numbers begin; `OTHER` for the letter of a second image.
    pub code: String,
    /// Its numbers.
    pub table: Vec<u32>,
    /// What it makes.
    pub made: VoxelType,
    /// A second image.
    pub other: Option<Slot>,
    /// Whether it needs the arithmetic of 64 bits.
    pub double: bool,
    /// What it makes of each pattern of bits, if it is a table of them: further steps go into the same table.
    pub values: Option<Arc<Volume>>,
}

/// One run of a kernel over a brick.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What it is called.
    pub name: &'static str,
    /// Defines `fn voxel(at: vec3<i32>) -> u32`: the bits of a voxel.
    pub code: String,
    /// What it reads: three at most, with the points' second images. Seen by it as `a`, `b`, `c`.
    pub inputs: Vec<Slot>,
    /// How far it looks, `[z, y, x]`.
    pub halo: [usize; 3],
    /// Numbers that it needs, from `TABLE` on.
    pub table: Vec<u32>,
    /// What it makes, before its points.
    pub made: VoxelType,
    /// Steps that follow voxel by voxel.
    pub points: Vec<Point>,
    /// Whether it needs the arithmetic of 64 bits.
    pub double: bool,
}

/// An image that goes up, or what a pass makes.
#[derive(Debug, Clone)]
pub enum Node {
    /// An image that goes up, by its number.
    Input(usize, VoxelType),
    /// What a pass makes.
    Pass(Pass),
}

/// Passes in the order in which they can run, and images that they read.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The one that comes down.
    pub top: Slot,
}

/// Images that a pass can read at most.
pub const READS: usize = 3;

const BRICK: &str = include_str!("../../wgsl/compute/brick.wgsl");
const DOUBLE: &str = include_str!("../../wgsl/compute/double.wgsl");

impl Graph {
    /// Adds an image that goes up.
    pub fn input(&mut self, number: usize, voxel: VoxelType) -> Slot {
        self.nodes.push(Node::Input(number, voxel));
        self.nodes.len() - 1
    }

    /// Adds a pass.
    pub fn pass(&mut self, pass: Pass) -> Slot {
        debug_assert!(pass.inputs.len() <= READS);
        self.nodes.push(Node::Pass(pass));
        self.top = self.nodes.len() - 1;
        self.top
    }

    /// The passes with their numbers.
    pub fn passes(&self) -> impl Iterator<Item = (Slot, &Pass)> {
        self.nodes.iter().enumerate().filter_map(|(slot, node)| match node {
            Node::Pass(pass) => Some((slot, pass)),
            Node::Input(..) => None,
        })
    }

    /// Whether a pass reads a node.
    fn is_read(&self, slot: Slot) -> bool {
        self.nodes.iter().any(|n| matches!(n, Node::Pass(pass) if pass.inputs.contains(&slot)))
    }

    /// Adds a point step: to the pass that makes the voxels, if nothing else reads them and it can read one more
    /// image where that is needed.
    pub fn point(&mut self, of: Slot, point: Point) -> Slot {
        let more = usize::from(point.other.is_some());
        let free = match &self.nodes[of] {
            Node::Pass(pass) => {
                // Passes run in order; images that go up are there before all.
                let there = point.other.is_none_or(|o| o < of || matches!(self.nodes[o], Node::Input(..)));
                there && pass.inputs.len() + more <= READS && !self.is_read(of)
            }
            Node::Input(..) => false,
        };
        let at = if free { of } else { self.copied(of) };
        if let Node::Pass(pass) = &mut self.nodes[at] {
            pass.inputs.extend(point.other);
            pass.points.push(point);
        }
        at
    }

    /// Adds a pass that leaves voxels as they are, for points to ride on.
    pub fn copied(&mut self, of: Slot) -> Slot {
        self.pass(Pass {
            name: "pointwise",
            code: "fn voxel(at: vec3<i32>) -> u32 {\n    return a_bits(at);\n}\n".to_owned(),
            inputs: vec![of],
            halo: [0; 3],
            table: vec![],
            made: self.voxel(of),
            points: vec![],
            double: false,
        })
    }

    /// The table at which the steps so far end, if further ones can go into it.
    pub fn last_table(&self, of: Slot) -> Option<&Arc<Volume>> {
        match &self.nodes[of] {
            Node::Pass(pass) if !self.is_read(of) => pass.points.last().and_then(|p| p.values.as_ref()),
            _ => None,
        }
    }

    /// Puts another point in the place of the last.
    pub fn replace_point(&mut self, of: Slot, point: Point) {
        if let Node::Pass(pass) = &mut self.nodes[of]
            && let Some(last) = pass.points.last_mut()
        {
            *last = point;
        }
    }

    /// The type of a node's voxels.
    pub fn voxel(&self, slot: Slot) -> VoxelType {
        match &self.nodes[slot] {
            Node::Input(_, voxel) => *voxel,
            Node::Pass(pass) => pass.points.last().map_or(pass.made, |p| p.made),
        }
    }

    /// The region of each node that is needed to make a region of the top; none of nodes that nobody reads.
    pub fn regions(&self, out: Region, image: [usize; 3]) -> Vec<Option<Region>> {
        let mut regions = vec![None; self.nodes.len()];
        if let Some(top) = regions.get_mut(self.top) {
            *top = Some(out);
        }
        for slot in (0..self.nodes.len()).rev() {
            let (Node::Pass(pass), Some(region)) = (&self.nodes[slot], regions[slot]) else { continue };
            let points = pass.points.iter().filter(|p| p.other.is_some()).count();
            for (i, &input) in pass.inputs.iter().enumerate() {
                // The points' images are read voxel by voxel.
                let halo = if i < pass.inputs.len() - points { pass.halo } else { [0; 3] };
                let needed = region.grown(halo, image);
                regions[input] = Some(regions[input].map_or(needed, |known| around(known, needed)));
            }
        }
        regions
    }

    /// The shader of a pass, and its numbers.
    pub fn shader(&self, pass: &Pass) -> (String, Vec<u32>) {
        let mut text = BRICK.to_owned();
        if pass.double || pass.points.iter().any(|p| p.double) {
            text += DOUBLE;
        }
        for (letter, &input) in ["a", "b", "c"].iter().zip(&pass.inputs) {
            text += &load(letter, self.voxel(input));
        }
        let mut table = pass.table.clone();
        text += &placed(&pass.code, 0);
        let mut body = "    var v = voxel(at);\n".to_owned();
        let mut other = pass.inputs.len() - pass.points.iter().filter(|p| p.other.is_some()).count();
        for (i, point) in pass.points.iter().enumerate() {
            let mut code = placed(&point.code, table.len()).replace("POINT", &format!("point_{i}"));
            if point.other.is_some() {
                code = code.replace("OTHER", ["a", "b", "c"][other]);
                other += 1;
            }
            text += &code;
            body += &format!("    v = point_{i}(v, at);\n");
            table.extend(&point.table);
        }
        text += &format!("\nfn finished(at: vec3<i32>) -> u32 {{\n{body}    return v;\n}}\n");
        text += store(pass.points.last().map_or(pass.made, |p| p.made));
        (text, table)
    }
}

/// The least region around two.
fn around(a: Region, b: Region) -> Region {
    let start: [usize; 3] = std::array::from_fn(|i| a.start[i].min(b.start[i]));
    let end = |r: Region, i: usize| r.start[i] + r.shape[i];
    Region { start, shape: std::array::from_fn(|i| end(a, i).max(end(b, i)) - start[i]) }
}

/// Code with its numbers at their place in the table.
fn placed(code: &str, at: usize) -> String {
    format!("\n{}", code.replace("TABLE", &format!("{at}u")))
}

/// How a quad of voxels is written.
fn store(voxel: VoxelType) -> &'static str {
    match voxel.size() {
        1 => {
            "\nfn store(quad: u32, v: vec4<u32>) {\n    let b = v & vec4<u32>(0xffu);\n    \
             made_words[quad] = b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);\n}\n"
        }
        2 => {
            "\nfn store(quad: u32, v: vec4<u32>) {\n    let b = v & vec4<u32>(0xffffu);\n    \
             made_words[2u * quad] = b.x | (b.y << 16u);\n    made_words[2u * quad + 1u] = b.z | (b.w << 16u);\n}\n"
        }
        _ => {
            "\nfn store(quad: u32, v: vec4<u32>) {\n    made_words[4u * quad] = v.x;\n    \
             made_words[4u * quad + 1u] = v.y;\n    made_words[4u * quad + 2u] = v.z;\n    \
             made_words[4u * quad + 3u] = v.w;\n}\n"
        }
    }
}

/// WGSL of the bits of voxel `i` (of 32, signed types extended) among words.
fn word(words: &str, voxel: VoxelType) -> String {
    match voxel {
        VoxelType::U8 => format!("extractBits({words}[i >> 2u], (i & 3u) * 8u, 8u)"),
        VoxelType::I8 => {
            format!("bitcast<u32>(extractBits(bitcast<i32>({words}[i >> 2u]), (i & 3u) * 8u, 8u))")
        }
        VoxelType::U16 => format!("extractBits({words}[i >> 1u], (i & 1u) * 16u, 16u)"),
        VoxelType::I16 => {
            format!("bitcast<u32>(extractBits(bitcast<i32>({words}[i >> 1u]), (i & 1u) * 16u, 16u))")
        }
        _ => format!("{words}[i]"),
    }
}

/// How a voxel of an input is read: as bits and as a number.
fn load(letter: &str, voxel: VoxelType) -> String {
    let word = word(&format!("{letter}_words"), voxel);
    let number = match voxel {
        VoxelType::F32 => "bitcast<f32>(bits)",
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => "f32(bitcast<i32>(bits))",
        _ => "f32(bits)",
    };
    format!(
        "\nfn {letter}_bits(at: vec3<i32>) -> u32 {{\n    let q = at - p.{letter}.origin;\n    \
         let i = u32(q.z * p.{letter}.shape.y + q.y) * p.{letter}.stride + u32(q.x);\n    return {word};\n}}\n\
         \nfn {letter}_f32(at: vec3<i32>) -> f32 {{\n    let bits = {letter}_bits(at);\n    return {number};\n}}\n\
         \nfn {letter}_whole(at: vec3<i32>) -> i32 {{\n    return bitcast<i32>({letter}_bits(at));\n}}\n"
    )
}

/// The shader of a kernel that reads one image, of the type that it makes, and defines `finished` itself.
pub fn single(code: &str, voxel: VoxelType, double: bool) -> String {
    format!("{BRICK}{}{}{code}{}", if double { DOUBLE } else { "" }, load("a", voxel), store(voxel))
}

const WHOLE: &str = include_str!("../../wgsl/compute/whole.wgsl");

/// The shader of a kernel on whole images that reads images of these types as `a_at(i)` and `b_at(i)`.
pub fn whole(code: &str, voxels: &[VoxelType], double: bool) -> String {
    let mut text = format!("{WHOLE}{}\n{code}\n", if double { DOUBLE } else { "" });
    for (letter, voxel) in ["a", "b"].iter().zip(voxels) {
        let word = word(&format!("{letter}_words"), *voxel);
        text += &format!("\nfn {letter}_at(i: u32) -> u32 {{\n    return {word};\n}}\n");
    }
    text
}
