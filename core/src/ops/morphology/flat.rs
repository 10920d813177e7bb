//! Erosion, dilation, opening, closing, top-hats and gradient by a flat structuring element.

use super::bits::BitMask;
use super::dilate::dilate;
use super::element::{Element, RADIUS, SHAPE};
use super::lane::{Keys, Ordered};
use crate::ops::Operator;
use crate::program::{Block, Call, Group, Input, Kind, Local, Prepared, Produces, Spec};
use crate::{Job, Region, Result, Volume, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// What is made of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Erode,
    Dilate,
    Open,
    Close,
    /// The image without its opening.
    WhiteTopHat,
    /// The closing without the image.
    BlackTopHat,
    /// The dilation without the erosion.
    Gradient,
}

/// A flat operation on an image of either kind.
struct Flat {
    operation: Operation,
    element: Element,
    mask: bool,
}

impl Flat {
    fn prepare(operation: Operation, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        if grid.kind == Kind::Labels {
            return Err(call
                .error("labels are names, not intensities; make a mask of them first (threshold, min = 1)"));
        }
        let mask = grid.kind == Kind::Mask;
        let element = Element::of(call)?;
        // Two passes go by way of an image between them.
        let bytes = match operation {
            _ if mask => 0.4,
            Operation::Erode | Operation::Dilate | Operation::Gradient => 1.5 * grid.voxel.size() as f64,
            _ => 2.2 * grid.voxel.size() as f64,
        };
        Ok(Prepared::local(grid, Self { operation, element, mask }).scratch(bytes))
    }
}

impl Local for Flat {
    fn halo(&self) -> [usize; 3] {
        let steps = match self.operation {
            Operation::Erode | Operation::Dilate | Operation::Gradient => 1,
            _ => 2,
        };
        self.element.half.map(|h| steps * h)
    }

    fn block(&self, block: &Block, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].take().expect("the first input is required");
        let all = Region::whole(input.shape());
        let result = match (self.mask, &*input) {
            (true, Volume::U8(_)) => mask(self.operation, &self.element, input, job)?,
            _ => with_volume!(&*input, |a| grey(self.operation, &self.element, a, job))?,
        };
        job.advance(block.out.len() as u64);
        let inner = block.inner();
        Ok(if inner == all { result } else { result.crop(inner) })
    }
}

/// The operation on a mask, packed.
fn mask(operation: Operation, element: &Element, input: Arc<Volume>, job: &Job) -> Result<Volume> {
    let Volume::U8(array) = &*input else { unreachable!("masks are u8") };
    let erode = |mask: &BitMask| -> Result<BitMask> {
        let mut inverse = mask.clone();
        inverse.complement();
        let mut out = inverse.dilated(element, job)?;
        out.complement();
        Ok(out)
    };
    let result = {
        let packed = BitMask::pack(array, job)?;
        match operation {
            Operation::Dilate => packed.dilated(element, job)?,
            Operation::Erode => erode(&packed)?,
            Operation::Open => erode(&packed)?.dilated(element, job)?,
            Operation::Close => erode(&packed.dilated(element, job)?)?,
            Operation::WhiteTopHat => {
                let open = erode(&packed)?.dilated(element, job)?;
                packed.without(&open)
            }
            Operation::BlackTopHat => erode(&packed.dilated(element, job)?)?.without(&packed),
            Operation::Gradient => packed.dilated(element, job)?.without(&erode(&packed)?),
        }
    };
    // The input's own memory, where nobody else needs it.
    let mut array = match Arc::try_unwrap(input) {
        Ok(Volume::U8(array)) => array,
        Ok(_) => unreachable!("masks are u8"),
        Err(shared) => Array3::zeros(shared.shape()),
    };
    result.unpack_into(&mut array, job)?;
    Ok(Volume::U8(array))
}

/// The operation on intensities.
fn grey<T: Ordered>(operation: Operation, element: &Element, input: &Array3<T>, job: &Job) -> Result<Volume> {
    let step = |array: &Array3<T>, erode: bool| -> Result<Array3<T>> {
        let mut out = Array3::default(array.dim());
        let source = array.as_slice().expect("volumes are in C order");
        let target = out.as_slice_mut().expect("just made");
        let (source, target) = (bytemuck::cast_slice(source), bytemuck::cast_slice_mut(target));
        let keys = Keys::<T::Plain>::of::<T>(erode);
        dilate(keys, source, target, array.dim().into(), element, job)?;
        Ok(out)
    };
    let result = match operation {
        Operation::Erode => step(input, true)?,
        Operation::Dilate => step(input, false)?,
        Operation::Open => step(&step(input, true)?, false)?,
        Operation::Close => step(&step(input, false)?, true)?,
        Operation::WhiteTopHat => {
            let mut open = step(&step(input, true)?, false)?;
            combine(&mut open, input, job, |open, image| image.minus(open))?;
            open
        }
        Operation::BlackTopHat => {
            let mut close = step(&step(input, false)?, true)?;
            combine(&mut close, input, job, T::minus)?;
            close
        }
        Operation::Gradient => {
            let mut high = step(input, false)?;
            combine(&mut high, &step(input, true)?, job, T::minus)?;
            high
        }
    };
    Ok(T::into_volume(result))
}

fn combine<T: Ordered>(
    a: &mut Array3<T>,
    b: &Array3<T>,
    job: &Job,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<()> {
    let a = a.as_slice_mut().expect("volumes are in C order");
    let b = b.as_slice().expect("volumes are in C order");
    parallel::zip(a, b, &job.part(), &|a, b| {
        for (a, b) in a.iter_mut().zip(b) {
            *a = f(*a, *b);
        }
    })
}

const INPUT: Input = Input {
    name: "input",
    kinds: &[Kind::Grey, Kind::Mask],
    optional: false,
    help: "A grey image or a mask.",
};

macro_rules! flat_details {
    ($first:literal) => {
        concat!(
            $first,
            " A ball of radius r has the voxels at a distance ≤ r, as in SciPy and scikit-image (ITK and DIPlib \
             take r + ½); with a radius that differs by axis it is an ellipsoid. What lies outside the image is \
             neutral: it neither erodes nor dilates. NaN is ignored; where all voxels under the element are NaN, \
             the result is NaN. Exact block by block."
        )
    };
}

macro_rules! operator {
    ($name:ident, $spec:ident, $id:literal, $group:expr, $doc:literal, $summary:literal, $details:expr) => {
        #[doc = $doc]
        pub struct $name;

        static $spec: Spec = Spec {
            id: $id,
            group: $group,
            summary: $summary,
            details: $details,
            inputs: &[INPUT],
            output: Produces::Same,
            params: &[SHAPE, RADIUS],
        };

        impl Operator for $name {
            fn spec(&self) -> &'static Spec {
                &$spec
            }

            fn prepare(&self, call: &Call) -> Result<Prepared> {
                Flat::prepare(Operation::$name, call)
            }
        }
    };
}

operator!(
    Erode,
    ERODE,
    "erode",
    Group::Morphology,
    "Minimum over a structuring element.",
    "Shrinks what is bright or inside: the minimum over a structuring element around each voxel.",
    flat_details!("Flat erosion (Serra 1982).")
);
operator!(
    Dilate,
    DILATE,
    "dilate",
    Group::Morphology,
    "Maximum over a structuring element.",
    "Grows what is bright or inside: the maximum over a structuring element around each voxel.",
    flat_details!("Flat dilation (Serra 1982).")
);
operator!(
    Open,
    OPEN,
    "open",
    Group::Morphology,
    "Erosion, then dilation.",
    "Removes bright or inside parts that the structuring element doesn't fit into.",
    flat_details!("Erosion, then dilation: never above the image, and opening twice is opening once.")
);
operator!(
    Close,
    CLOSE,
    "close",
    Group::Morphology,
    "Dilation, then erosion.",
    "Fills dark or outside parts that the structuring element doesn't fit into.",
    flat_details!("Dilation, then erosion: never below the image, and closing twice is closing once.")
);
operator!(
    WhiteTopHat,
    WHITE_TOPHAT,
    "white-tophat",
    Group::Filter,
    "The image without its opening.",
    "Keeps bright detail smaller than the structuring element: the image minus its opening.",
    flat_details!(
        "Image minus opening (Meyer 1979); for signed integers the difference stops at the largest value."
    )
);
operator!(
    BlackTopHat,
    BLACK_TOPHAT,
    "black-tophat",
    Group::Filter,
    "The closing without the image.",
    "Keeps dark detail smaller than the structuring element: the closing minus the image.",
    flat_details!(
        "Closing minus image (Meyer 1979); for signed integers the difference stops at the largest value."
    )
);
operator!(
    Gradient,
    GRADIENT,
    "morphological-gradient",
    Group::Morphology,
    "Dilation without erosion.",
    "The contrast under the structuring element: dilation minus erosion.",
    flat_details!(
        "Dilation minus erosion (Beucher 1979); for signed integers the difference stops at the largest value."
    )
);

#[cfg(test)]
mod tests {
    use super::super::Shape;
    use super::super::check::{Random, SHAPES, prepare, run};
    use super::*;
    use crate::program::Grid;
    use crate::{Geometry, Unit, Voxel, VoxelType};

    fn within(shape: Shape, radius: [f64; 3], d: [isize; 3]) -> bool {
        let d = d.map(|d| d as f64);
        let inside = |a: usize| d[a].abs() <= radius[a] + 1e-6;
        match shape {
            Shape::Box => (0..3).all(inside),
            Shape::Cross => (0..3).all(inside) && d.iter().filter(|d| **d != 0.0).count() <= 1,
            Shape::Ball => {
                let part = |a: usize| if d[a] == 0.0 { 0.0 } else { (d[a] / radius[a]).powi(2) };
                (0..3).map(part).sum::<f64>() <= 1.0 + 1e-8
            }
        }
    }

    /// Maximum (or minimum) over the element by looking at every offset; NaN and outside ignored.
    fn brute<T: Ordered>(image: &Array3<T>, shape: Shape, radius: [f64; 3], erode: bool) -> Array3<T> {
        let dims: [usize; 3] = image.dim().into();
        let reach: [isize; 3] = std::array::from_fn(|a| (radius[a] as isize + 1).min(dims[a] as isize));
        let mut offsets = Vec::new();
        for dz in -reach[0]..=reach[0] {
            for dy in -reach[1]..=reach[1] {
                for dx in -reach[2]..=reach[2] {
                    if within(shape, radius, [dz, dy, dx]) {
                        offsets.push([dz, dy, dx]);
                    }
                }
            }
        }
        Array3::from_shape_fn(image.dim(), |(z, y, x)| {
            let mut best: Option<T> = None;
            for [dz, dy, dx] in &offsets {
                let at = [z as isize + dz, y as isize + dy, x as isize + dx].map(|i| i as usize);
                let Some(v) = image.get(at).filter(|v| !v.is_nan()) else { continue };
                let better = |b: T| if erode { *v < b } else { *v > b };
                if best.is_none_or(better) {
                    best = Some(*v);
                }
            }
            best.unwrap_or_else(|| T::from_f64(f64::NAN))
        })
    }

    const ELEMENTS: [(Shape, &str, &str, [f64; 3]); 9] = [
        (Shape::Ball, "ball", "1", [1.0; 3]),
        (Shape::Ball, "ball", "2.3", [2.3; 3]),
        (Shape::Ball, "ball", "4,3,2", [4.0, 3.0, 2.0]),
        (Shape::Ball, "ball", "0,1.5,9", [0.0, 1.5, 9.0]),
        (Shape::Box, "box", "1", [1.0; 3]),
        (Shape::Box, "box", "0,4,2", [0.0, 4.0, 2.0]),
        (Shape::Box, "box", "1,2,68", [1.0, 2.0, 68.0]),
        (Shape::Cross, "cross", "2", [2.0; 3]),
        (Shape::Cross, "cross", "3,0,65", [3.0, 0.0, 65.0]),
    ];

    fn check<T: Ordered>(image: &Array3<T>, kind: Kind, random: &mut Random) {
        for (shape, word, text, radius) in ELEMENTS {
            let args = [("shape", word), ("radius", text)];
            let mut made = |op: &dyn Operator| {
                let input = [Some((T::into_volume(image.clone()), kind))];
                T::take(run(op, &args, &input, Geometry::default(), random)).unwrap()
            };
            let same = |a: &Array3<T>, b: &Array3<T>| {
                let equal = |a: &T, b: &T| a == b || a.is_nan() && b.is_nan();
                a.iter().zip(b).all(|(a, b)| equal(a, b))
            };
            let what = format!("{word} {text} on {:?} of {}", image.dim(), T::TYPE);
            let (low, high) = (brute(image, shape, radius, true), brute(image, shape, radius, false));
            assert!(same(&made(&Erode), &low), "erode {what}");
            assert!(same(&made(&Dilate), &high), "dilate {what}");
            let (open, close) = (brute(&low, shape, radius, false), brute(&high, shape, radius, true));
            assert!(same(&made(&Open), &open), "open {what}");
            assert!(same(&made(&Close), &close), "close {what}");
            let minus = |a: &Array3<T>, b: &Array3<T>| {
                let mut a = a.clone();
                combine(&mut a, b, &Job::silent(), T::minus).unwrap();
                a
            };
            assert!(same(&made(&WhiteTopHat), &minus(image, &open)), "white {what}");
            assert!(same(&made(&BlackTopHat), &minus(&close, image)), "black {what}");
            assert!(same(&made(&Gradient), &minus(&high, &low)), "gradient {what}");
        }
    }

    #[test]
    fn equal_to_brute_force_on_masks() {
        let mut random = Random::new(1);
        for shape in SHAPES {
            let percent = 20 + random.below(75);
            let mask = random.mask(shape, percent);
            check(&mask, Kind::Mask, &mut random);
        }
    }

    #[test]
    fn equal_to_brute_force_on_every_voxel_type() {
        let mut random = Random::new(2);
        for (i, shape) in SHAPES.into_iter().enumerate() {
            match i % 4 {
                0 => check(&random.grey::<u8>(shape, 256), Kind::Grey, &mut random),
                1 => check(&random.grey::<i16>(shape, 65536), Kind::Grey, &mut random),
                2 => check(&random.grey::<u16>(shape, 65536), Kind::Grey, &mut random),
                _ => check(&random.grey::<f64>(shape, 100), Kind::Grey, &mut random),
            }
            let mut holed = random.grey::<f32>(shape, 1000);
            holed.map_inplace(|v| {
                if random.below(3) == 0 {
                    *v = f32::NAN;
                }
            });
            check(&holed, Kind::Grey, &mut random);
        }
        let shape = [3, 4, 5];
        check(&random.grey::<i8>(shape, 256), Kind::Grey, &mut random);
        check(&random.grey::<u32>(shape, 1 << 32), Kind::Grey, &mut random);
        check(&random.grey::<i32>(shape, 1 << 32), Kind::Grey, &mut random);
        check(&random.grey::<u64>(shape, 1 << 40), Kind::Grey, &mut random);
        check(&random.grey::<i64>(shape, 1 << 40), Kind::Grey, &mut random);
    }

    #[test]
    fn a_physical_radius_is_an_ellipsoid_of_voxels() {
        let mut point = Array3::<u8>::zeros((9, 9, 9));
        point[[4, 4, 4]] = 1;
        let geometry = Geometry::from_spacing([3.0, 1.5, 1.0], Unit::Micrometre);
        let input = [Some((Volume::from(point.clone()), Kind::Mask))];
        let made = run(&Dilate, &[("radius", "0.003 mm")], &input, geometry, &mut Random::new(3));
        assert_eq!(made, Volume::from(brute(&point, Shape::Ball, [1.0, 2.0, 3.0], false)));
    }

    #[test]
    fn opening_and_closing_keep_their_laws_on_large_random_images() {
        let job = Job::silent();
        let mut random = Random::new(4);
        for (radius, shape) in
            [(2.0, Shape::Ball), (7.0, Shape::Ball), (3.0, Shape::Box), (4.0, Shape::Cross)]
        {
            let image = random.grey::<u16>([37, 41, 150], 5000);
            let element = Element::new(shape, [radius; 3], [37, 41, 150]);
            let go =
                |operation, a: &Array3<u16>| u16::take(grey(operation, &element, a, &job).unwrap()).unwrap();
            let (open, close) = (go(Operation::Open, &image), go(Operation::Close, &image));
            assert!(open.iter().zip(&image).zip(&close).all(|((o, i), c)| o <= i && i <= c));
            assert_eq!(go(Operation::Open, &open), open);
            assert_eq!(go(Operation::Close, &close), close);
            // Duality: eroding is dilating the complement.
            let complement = |a: &Array3<u16>| a.mapv(|v| !v);
            assert_eq!(go(Operation::Erode, &image), complement(&go(Operation::Dilate, &complement(&image))));
            // Threshold decomposition: the mask of the opening is the opening of the mask.
            let cut = |a: &Array3<u16>| a.mapv(|v| u8::from(v > 2500));
            let made = mask(Operation::Open, &element, Arc::new(cut(&image).into()), &job).unwrap();
            assert_eq!(made, cut(&open).into());
        }
    }

    #[test]
    fn labels_and_unknown_voxel_sizes_are_refused() {
        let grid =
            Grid { shape: [3; 3], voxel: VoxelType::U32, kind: Kind::Labels, geometry: Geometry::default() };
        assert!(prepare(&Erode, &[], &[Some(grid)]).is_err());
        let grid = Grid { kind: Kind::Grey, ..grid };
        assert!(prepare(&Erode, &[("radius", "2 um")], &[Some(grid)]).is_err());
        assert!(prepare(&Erode, &[("radius", "2")], &[Some(grid)]).is_ok());
    }
}
