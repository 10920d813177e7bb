use crate::io::sample::*;
use crate::io::{Frame, ImageSource};
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};

fn make(kind: &'static Kind, options: &Options) -> Sample {
    generate(kind, options, &Job::silent()).unwrap()
}

/// The first 8 bytes of a BLAKE3 sum.
fn checksum(volume: &Volume) -> String {
    let little: Vec<u8> = crate::with_volume!(volume, |a| a.iter().flat_map(|v| v.to_le_bytes()).collect());
    blake3::hash(&little).to_hex()[..16].to_owned()
}

#[test]
fn the_same_seed_gives_the_same_bits_for_ever() {
    let options = Options { size: [64; 3], rings: 0.1, beam_hardening: 0.2, ..Options::default() };
    let made: Vec<String> = KINDS
        .iter()
        .map(|kind| {
            let sample = make(kind, &options);
            format!("{} {} {}", kind.name, checksum(&sample.image), checksum(&sample.truth))
        })
        .collect();
    assert_eq!(
        made,
        [
            "foam eebde23112dede70 ebfa5667f3257dfb",
            "bone 90d0f8d53191b29f d71627d033d3fba2",
            "cells 8404f67b9e66e8a7 20788c5afda4f015",
            "granules dce109333f3de9f0 938b0e66f591b425",
        ]
    );
}

#[test]
fn a_region_equals_that_part_of_the_whole() {
    for kind in KINDS {
        let options = Options {
            size: [41, 83, 97],
            seed: 5,
            rings: 0.2,
            beam_hardening: 0.3,
            blur: 0.7,
            ..Options::default()
        };
        let whole = make(kind, &options);
        let part = Arc::new(Virtual::new(kind, &options).unwrap());
        for region in [
            Region::new([0; 3], [1, 1, 1]),
            Region::new([40, 5, 60], [1, 78, 37]),
            Region::new([3, 63, 1], [38, 3, 90]),
            Region::whole(options.size),
        ] {
            let (image, truth) = part.region(0, region);
            assert_eq!(image, whole.image.crop(region), "{} {region:?}", kind.name);
            assert_eq!(truth, whole.truth.crop(region), "{} {region:?}", kind.name);
            assert_eq!(part.source(false).read(Frame::default(), region).unwrap(), image);
            assert_eq!(part.source(true).read(Frame::default(), region).unwrap(), truth);
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| make(kind, &options)).image, whole.image);
    }
}

#[test]
fn a_region_far_inside_a_huge_sample_is_made_at_once() {
    for kind in KINDS {
        let options = Options { size: [4096; 3], ..Options::default() };
        let huge = Virtual::new(kind, &options).unwrap();
        let (image, truth) = huge.region(0, Region::new([3000, 4090, 2000], [6, 6, 6]));
        assert!(image.shape() == [6; 3] && truth.shape() == [6; 3]);
    }
}

#[test]
fn a_sample_has_an_address() {
    let open = |address: &str| crate::io::open(address, &crate::io::OpenOptions::default());
    let region = Region::new([3000, 4090, 2000], [6, 6, 6]);
    let options = Options { size: [4096; 3], seed: 2, noise: 0.5, ..Options::default() };
    let (image, truth) = Virtual::new(find("foam").unwrap(), &options).unwrap().region(0, region);
    let address = "sample://foam?size=4096&seed=2&noise=0.5";
    assert_eq!(open(address).unwrap().read(Frame::default(), region).unwrap(), image);
    let labels = open(&format!("{address}&truth=1")).unwrap();
    assert!(labels.info().labels);
    assert_eq!(labels.read(Frame::default(), region).unwrap(), truth);
    for (address, says) in [
        ("sample://foma?size=4", "did you mean"),
        ("sample://foam?size=0", "no voxels"),
        ("sample://foam?size=64&colour=2", "colour is none of"),
        ("sample://foam?noise=much", "noise=much"),
    ] {
        let reason = open(address).err().expect(address).to_string();
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn thin_and_single_voxel_samples_work_and_bad_options_are_refused() {
    for kind in KINDS {
        for size in [[1; 3], [1, 64, 64], [70, 1, 1]] {
            let s = make(kind, &Options { size, ..Options::default() });
            assert_eq!((s.image.shape(), s.truth.shape()), (size, size));
        }
        for bad in [
            Options { size: [0, 4, 4], ..Options::default() },
            Options { noise: f64::NAN, ..Options::default() },
            Options { beam_hardening: 2.0, ..Options::default() },
        ] {
            assert!(Virtual::new(kind, &bad).is_err());
        }
    }
    assert!(find("foma").unwrap_err().to_string().contains("did you mean \"foam\"?"));
}

fn fraction(labels: &Volume) -> f64 {
    let Volume::U32(a) = labels else { panic!("labels") };
    a.iter().filter(|&&l| l > 0).count() as f64 / a.len() as f64
}

#[test]
fn samples_have_the_statistics_they_are_made_with() {
    let options = Options { size: [128; 3], noise: 0.0, blur: 0.0, ..Options::default() };
    for kind in KINDS {
        let s = make(kind, &options);
        let filled = fraction(&s.truth);
        let counts = s.table.batch.column_by_name("voxel_count").unwrap().as_primitive::<Int64Type>();
        let sum: i64 = counts.values().iter().sum();
        assert_eq!(sum, (filled * s.truth.len() as f64).round() as i64, "{}", kind.name);
        let inside: Vec<usize> = (0..counts.len())
            .filter(|&i| !s.table.batch.column_by_name("touches_border").unwrap().as_boolean().value(i))
            .collect();
        println!("{}: fraction {filled:.4}, {} objects, {} inside", kind.name, counts.len(), inside.len());
        let volume: f64 = inside.iter().map(|&i| counts.value(i) as f64).sum::<f64>() / inside.len() as f64;
        match kind.name {
            "foam" => {
                // Two bubbles a cell of 36³ voxels, less the liquid.
                assert!((filled - 0.82).abs() < 0.02, "{filled}");
                assert!((volume / (36f64.powi(3) / 2.0 * filled) - 1.0).abs() < 0.1, "{volume}");
            }
            "bone" => assert!((filled - BONE_FRACTION).abs() < 0.05, "{filled}"),
            _ => {
                let whole = s.table.batch.column_by_name("whole_volume").unwrap();
                let whole = whole.as_primitive::<Float64Type>();
                let voxel = kind.spacing.iter().product::<f64>();
                let shares: Vec<f64> =
                    inside.iter().map(|&i| counts.value(i) as f64 * voxel / whole.value(i)).collect();
                // Facets cost some volume; nothing is larger than what it was made from.
                assert!(shares.iter().all(|&s| s < 1.02 && s > 0.6), "{shares:?}");
                assert!(shares.iter().filter(|&&s| s < 0.995).count() > 3, "objects touch");
                let all = 2.0 * s.truth.len() as f64 * voxel;
                println!("{all}");
            }
        }
        // Without noise and blur, the grey levels tell the phases apart.
        let (Volume::U16(grey), Volume::U32(truth)) = (&s.image, &s.truth) else { panic!("types") };
        let dark = grey.iter().zip(truth).filter(|(_, l)| **l == 0).map(|(g, _)| *g).min().unwrap();
        assert!(f32::from(dark) >= kind.dark);
    }
}

#[test]
fn noise_and_blur_are_as_strong_as_asked() {
    let kind = find("granules").unwrap();
    let clean = make(kind, &Options { size: [64; 3], noise: 0.0, blur: 0.0, ..Options::default() });
    let noisy = make(kind, &Options { size: [64; 3], noise: 0.1, blur: 0.0, ..Options::default() });
    let (Volume::U16(a), Volume::U16(b)) = (&clean.image, &noisy.image) else { panic!("types") };
    let n = a.len() as f64;
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect();
    let mean = d.iter().sum::<f64>() / n;
    let sd = (d.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!(mean.abs() < 20.0 && (sd / 1800.0 - 1.0).abs() < 0.01, "{mean} {sd}");
    let weights = crate::io::sample::detector::gaussian(1.5);
    let sum = f64::from(weights[0]) + 2.0 * weights[1..].iter().map(|w| f64::from(*w)).sum::<f64>();
    assert!((sum - 1.0).abs() < 1e-6);
    assert!((f64::from(weights[1] / weights[0]) - (-1.0 / 4.5f64).exp()).abs() < 1e-6);
}

#[test]
fn coarse_levels_show_what_finer_ones_do() {
    for kind in KINDS {
        let options = Options { size: [70, 64, 64], noise: 0.0, ..Options::default() };
        let sample = Arc::new(Virtual::new(kind, &options).unwrap());
        for source in [false, true].map(|truth| sample.source(truth)) {
            let info = source.info().clone();
            let last = info.levels.last().unwrap();
            assert!(info.levels.len() > 1 && last.shape.iter().all(|n| *n <= 32), "{}", kind.name);
            let frame = |level| Frame { level, ..Frame::default() };
            let (fine, coarse) = (source.read_all(frame(0)).unwrap(), source.read_all(frame(1)).unwrap());
            let factor = pyramid::factors(info.shape(), info.geometry().spacing());
            let made = pyramid::downsample(&fine, factor, info.labels);
            assert_eq!((coarse.shape(), made.shape()), (info.levels[1].shape, info.levels[1].shape));
            let part = Region::new([9, 3, 11], [8, 13, 10]);
            assert_eq!(source.read(frame(1), part).unwrap(), coarse.crop(part));
            let values = |v: &Volume| {
                (0..v.len())
                    .map(|i| {
                        let [_, ny, nx] = v.shape();
                        v.get([i / (ny * nx), i / nx % ny, i % nx]).unwrap()
                    })
                    .collect::<Vec<f64>>()
            };
            let (coarse, made) = (values(&coarse), values(&made));
            let near = if info.labels { 0.5 } else { 0.25 * f64::from(kind.contrast) };
            let alike = coarse.iter().zip(&made).filter(|(a, b)| (**a - **b).abs() < near).count();
            assert!(alike * 10 > made.len() * 8, "{}: {alike} of {}", kind.name, made.len());
        }
    }
}
