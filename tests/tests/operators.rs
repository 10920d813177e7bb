//! What holds for every operator, from its declaration alone: its defaults can be read, and it does
//! the same block by block as on the whole, bit for bit, whatever the blocks.

use glam::{DAffine3, DVec3};
use ndarray::Array3;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use voxelry_core::blocks::run_prepared;
use voxelry_core::measure::{Table, csv};
use voxelry_core::ops::{Args, Call, Default, Grid, Kind, OPERATORS, Operator, Output, Value};
use voxelry_core::{Geometry, Job, Unit, Volume, VoxelType};

/// Arguments to try each operator with, where its defaults are not enough. `id: name=value …`.
const CASES: &str = include_str!("operators.txt");

#[test]
fn every_default_can_be_read_and_names_are_the_house_style() {
    let mut ids = std::collections::BTreeSet::new();
    for op in OPERATORS {
        let spec = op.spec();
        assert!(ids.insert(spec.id), "{} is listed twice", spec.id);
        assert!(
            spec.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            spec.id
        );
        assert!(spec.summary.ends_with('.') && !spec.details.is_empty(), "{}: text", spec.id);
        assert!(!spec.inputs.is_empty() && !spec.inputs[0].optional, "{}: inputs", spec.id);
        for param in spec.params {
            assert!(!["op", "name", "input"].contains(&param.name), "{}: {} is taken", spec.id, param.name);
            assert!(param.help.ends_with('.'), "{}: help of {}", spec.id, param.name);
            if let Default::Value(text) = param.default {
                Value::parse(&param.ty, text).unwrap_or_else(|e| panic!("{}: {}: {e}", spec.id, param.name));
            }
        }
    }
}

/// A small generator of numbers: `SplitMix64` (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// A volume with structure: blobs of a few voxels, and noise.
fn volume(kind: Kind, voxel: VoxelType, shape: [usize; 3], random: &mut Random) -> Volume {
    let salt = random.next();
    let cell = 1 + random.below(4);
    let hash = |z: usize, y: usize, x: usize| {
        let mut r = Random(salt ^ (z as u64) << 40 ^ (y as u64) << 20 ^ x as u64);
        r.next()
    };
    let coarse = |z: usize, y: usize, x: usize| hash(z / cell, y / cell, x / cell);
    match kind {
        Kind::Mask => Volume::U8(Array3::from_shape_fn(shape, |(z, y, x)| u8::from(coarse(z, y, x) % 5 < 2))),
        Kind::Labels => Volume::U32(Array3::from_shape_fn(shape, |(z, y, x)| match coarse(z, y, x) % 7 {
            0..4 => 0,
            n => n as u32 - 3,
        })),
        Kind::Grey => {
            let grey = Array3::from_shape_fn(shape, |(z, y, x)| {
                ((coarse(z, y, x) % 4 * 50 + hash(z, y, x) % 23) as f64)
                    / if voxel.is_float() { 7.0 } else { 1.0 }
            });
            Volume::F64(grey).cast(voxel)
        }
    }
}

fn grid(volume: &Volume, kind: Kind) -> Grid {
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.5], Unit::Micrometre);
    Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry }
}

fn arguments(op: &dyn Operator, text: &str) -> Args {
    let spec = op.spec();
    let mut given = BTreeMap::new();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("operators.txt: {text}"));
        let param = spec.param(name).unwrap_or_else(|| panic!("{} has no parameter {name}", spec.id));
        let value = value.replace('_', " ");
        given.insert(
            param.name,
            Value::parse(&param.ty, &value).unwrap_or_else(|e| panic!("{}: {e}", spec.id)),
        );
    }
    Args::complete(spec, given).unwrap_or_else(|e| panic!("add {} to operators.txt: {e}", spec.id))
}

/// All of a table as text: every number with all its digits, units and descriptions.
fn table_text(table: &Table) -> String {
    let mut text = Vec::new();
    csv::write(table, &mut text).expect("memory takes it");
    csv::write_units(table, &mut text).expect("memory takes it");
    format!("{} {}", table.name, String::from_utf8(text).expect("it is text"))
}

/// Everything that an output holds, for comparison to the last bit.
fn content(output: &Output) -> String {
    match output {
        Output::Volume(v) => format!("{:?} {:?} {:x?}", v.shape(), v.voxel_type(), v.as_bytes()),
        Output::Tables(tables) => tables.iter().map(table_text).collect(),
        Output::Mesh(mesh) => format!("{mesh:?}"),
    }
}

/// Where two contents first differ, for a message that can be read.
fn difference(a: &str, b: &str) -> String {
    let at = a.bytes().zip(b.bytes()).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    let cut = |s: &str| s.get(at.saturating_sub(60)..(at + 60).min(s.len())).unwrap_or_default().to_owned();
    format!("at {at}: whole …{}… blocked …{}…", cut(a), cut(b))
}

/// Returns what differs, or whether there was anything to compare: an operator may refuse an image.
fn check(op: &dyn Operator, text: &str, seed: u64) -> Result<bool, String> {
    let spec = op.spec();
    let mut random = Random(seed);
    let shapes = [[9, 11, 13], [1, 14, 17], [16, 1, 9], [7, 12, 1], [5, 5, 70], [20, 18, 22]];
    let shape = shapes[random.below(shapes.len())];
    let voxel = [VoxelType::U8, VoxelType::U16, VoxelType::F32, VoxelType::I16][random.below(4)];
    let first = spec.inputs[0].kinds[random.below(spec.inputs[0].kinds.len())];
    let args = arguments(op, text);
    let inputs: Vec<Option<(Arc<Volume>, Grid)>> = spec
        .inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            if input.optional && random.below(2) == 0 {
                return None;
            }
            let kind = if i == 0 { first } else { input.kinds[random.below(input.kinds.len())] };
            // Where the grid alone counts, it is another one, turned and shifted.
            let elsewhere = op.takes_grid_alone(i);
            let shape = if elsewhere { [7, 10, 8] } else { shape };
            let volume = volume(kind, voxel, shape, &mut random);
            let mut grid = grid(&volume, kind);
            if elsewhere {
                let turn = DAffine3::from_rotation_x(0.4) * DAffine3::from_rotation_z(-0.3);
                let there = DAffine3::from_translation(DVec3::new(2.0, -1.0, 1.0)) * turn;
                grid.geometry.world_from_index = there * grid.geometry.world_from_index;
            }
            Some((Arc::new(volume), grid))
        })
        .collect();
    let grids: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|(_, g)| *g)).collect();
    let prepare = || op.prepare(&Call { op: spec.id, args: &args, inputs: &grids });
    let (Ok(whole), Ok(blocked)) = (prepare(), prepare()) else { return Ok(false) };
    let job = Job::silent();
    let block = [1 + random.below(12), 1 + random.below(12), 1 + random.below(40)];
    let whole = whole.kernel.whole(inputs.iter().map(|i| i.as_ref().map(|(v, _)| v.clone())).collect(), &job);
    let blocked = run_prepared(blocked, &inputs, block, &job);
    let case = format!("{} {text}, seed {seed}: {shape:?} {voxel} {first:?} in blocks of {block:?}", spec.id);
    match (whole, blocked) {
        (Ok(a), Ok(b)) => {
            let (a, b) = (content(&a), content(&b));
            if a == b { Ok(true) } else { Err(format!("{case}: {}", difference(&a, &b))) }
        }
        (Err(a), Err(b)) if a.to_string() == b.to_string() => Ok(false),
        (a, b) => Err(format!("{case}: whole {:?}, blocked {:?}", a.err(), b.err())),
    }
}

#[test]
fn every_operator_is_the_same_whole_and_in_blocks() {
    let mut wrong = Vec::new();
    for op in OPERATORS {
        let id = op.spec().id;
        let own = CASES.lines().filter_map(|l| l.split_once(':')).filter(|(name, _)| *name == id);
        let mut cases: Vec<&str> = own.map(|(_, text)| text.trim()).collect();
        if op.spec().params.iter().all(|p| p.default != Default::Required) {
            cases.push("");
        }
        assert!(!cases.is_empty(), "{id} has required parameters: add a line to operators.txt");
        let mut any = false;
        for text in cases {
            let mut compared = 0;
            for seed in 0..10 {
                let ran = std::panic::catch_unwind(AssertUnwindSafe(|| check(*op, text, seed)));
                match ran.unwrap_or_else(|_| Err(format!("{id} {text}, seed {seed}: panicked"))) {
                    Ok(had) => compared += usize::from(had),
                    Err(message) => wrong.push(message),
                }
            }
            any |= compared > 0;
        }
        if !any {
            wrong.push(format!("{id}: there was never anything to compare"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_comparison_notices_one_changed_voxel() {
    let mut volume = Volume::zeros(VoxelType::F32, [3, 3, 3]);
    let before = content(&Output::Volume(volume.clone()));
    volume.view_mut::<f32>().expect("f32")[[1, 2, 0]] = f32::MIN_POSITIVE;
    assert_ne!(before, content(&Output::Volume(volume)));
}
