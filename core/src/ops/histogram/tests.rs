use super::*;
use crate::ops::{Args, Grid};
use crate::{Geometry, VoxelType};
use ndarray::Array3;
use std::collections::BTreeMap;

/// The finaliser of Murmur 3, as in `tests/golden/grid.py`.
fn hashed(n: usize) -> u32 {
    let mut h = n as u32;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

fn peaks(shape: [usize; 3], voxel: VoxelType) -> Volume {
    let value = |i: usize| {
        let h = hashed(i);
        f64::from((h & 255) + (h >> 8 & 255) + if (h >> 16 & 255) < 90 { 700 } else { 100 })
    };
    let all: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    let adapted = all.into_iter().map(|v| match voxel {
        VoxelType::U8 => (v / 5.0).floor(),
        VoxelType::I16 => v - 500.0,
        VoxelType::I32 => v * 3.0 - 1000.0,
        VoxelType::F32 => f64::from(v as f32 / 7.0),
        VoxelType::F64 => v / 7.0,
        _ => v,
    });
    Volume::from(Array3::from_shape_vec(shape, adapted.collect()).unwrap()).cast(voxel)
}

fn prepare(op: &dyn Operator, volume: &Volume, args: &[(&'static str, super::super::Value)]) -> Prepared {
    let grid = Grid {
        shape: volume.shape(),
        voxel: volume.voxel_type(),
        kind: Kind::Grey,
        geometry: Geometry::default(),
    };
    let args = Args::complete(op.spec(), args.iter().cloned().collect::<BTreeMap<_, _>>()).unwrap();
    op.prepare(&Call { op: op.spec().id, args: &args, inputs: &[Some(grid)] }).unwrap()
}

/// The facts that a whole run reports.
fn facts(op: &dyn Operator, volume: &Volume) -> Result<Vec<f64>> {
    let found = Arc::new(std::sync::Mutex::new(vec![]));
    let sink = found.clone();
    let job = Job::new(move |e| {
        if let crate::jobs::Event::Fact { value, .. } = e {
            sink.lock().unwrap().push(value);
        }
    });
    prepare(op, volume, &[]).kernel.whole(vec![Some(Arc::new(volume.clone()))], &job)?;
    let found = found.lock().unwrap().clone();
    Ok(found)
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../../tests/golden/grid.json")).unwrap()
}

#[test]
fn thresholds_are_those_of_scikit_image() {
    let golden = golden();
    for (name, op) in [("otsu", &Otsu as &dyn Operator)] {
        for voxel in
            [VoxelType::U8, VoxelType::U16, VoxelType::I16, VoxelType::I32, VoxelType::F32, VoxelType::F64]
        {
            let expected = golden[format!("{name} {voxel}")].as_f64().unwrap();
            assert_eq!(facts(op, &peaks([9, 11, 13], voxel)).unwrap(), [expected], "{name} {voxel}");
        }
    }
}

#[test]
fn constant_images_have_nothing_above_and_nan_is_left_out() {
    for voxel in VoxelType::ALL {
        let constant = Volume::zeros(voxel, [1, 3, 2]);
        assert_eq!(facts(&Otsu, &constant).unwrap().len(), 1);
        let out = prepare(&Otsu, &constant, &[]).kernel.whole(vec![Some(Arc::new(constant))], &Job::silent());
        assert_eq!(out.unwrap().into_volume(), Volume::zeros(VoxelType::U8, [1, 3, 2]), "{voxel}");
    }
    let nan = Volume::from(
        Array3::from_shape_vec((1, 1, 6), vec![f32::NAN, 0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, 1.0])
            .unwrap(),
    );
    let out = prepare(&Otsu, &nan, &[]).kernel.whole(vec![Some(Arc::new(nan))], &Job::silent()).unwrap();
    assert_eq!(out.into_volume().as_bytes(), [0, 0, 1, 1, 0, 1]);
    let none = Volume::from(Array3::from_elem((1, 2, 1), f64::NAN));
    assert!(facts(&Otsu, &none).unwrap_err().to_string().contains("no finite voxel"));
    assert!(facts(&Otsu, &Volume::zeros(VoxelType::U16, [0, 2, 2])).is_err());
}

/// Runs the phases block by block, as an engine would.
fn blocked(prepared: &Prepared, volume: &Volume, block: [usize; 3]) -> Volume {
    let Mode::Program(program) = prepared.kernel.mode() else { panic!("a program") };
    let mut state = vec![];
    let mut out = Volume::zeros(program.fields()[0].voxel, volume.shape());
    for (p, phase) in program.phases().iter().enumerate() {
        let mut partials = vec![];
        for tile in Region::whole(volume.shape()).tiles(block) {
            let block = Block { out: tile, sources: vec![tile], shapes: vec![volume.shape()] };
            let input = vec![Some(Arc::new(volume.crop(tile)))];
            let (volumes, partial) = program.run(p, &state, &block, input, &Job::silent()).unwrap();
            if let ([_], [made]) = (&phase.writes[..], &volumes[..]) {
                out.paste(tile.start, made);
            }
            partials.push((tile, partial));
        }
        assert_eq!(program.merge(p, &mut state, partials).unwrap(), Next::Continue);
    }
    out
}

#[test]
fn blocks_give_the_same_bits() {
    for voxel in VoxelType::ALL {
        let volume = peaks([7, 9, 10], voxel);
        let prepared = prepare(&Otsu, &volume, &[]);
        let whole = prepared.kernel.whole(vec![Some(Arc::new(volume.clone()))], &Job::silent()).unwrap();
        let whole = whole.into_volume();
        assert!(whole.as_bytes().contains(&1) && whole.as_bytes().contains(&0));
        for block in [[3, 4, 5], [1, 9, 10], [7, 1, 1]] {
            assert_eq!(blocked(&prepared, &volume, block), whole, "{voxel} {block:?}");
        }
    }
}
