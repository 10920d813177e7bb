//! Operators that look at one voxel alone.

use super::convert::map;
use super::{ANY, IMAGE, TYPES, same_shape, type_range, voxel_type};
use crate::ops::Operator;
use crate::program::{
    Block, Call, Default, Group, Input, Kind, Local, Param, ParamType, Prepared, Produces, Spec,
};
use crate::{Job, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use std::sync::Arc;

/// Limits intensities to a range.
pub struct Clip;

static CLIP: Spec = Spec {
    id: "clip",
    group: Group::Grid,
    summary: "Limits intensities to a range: what lies outside is set to the nearer end.",
    details: "Pointwise; exact block by block. The voxel type stays. NaN stays NaN. Ends that the type can't hold \
        are rounded to it.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[
        Param { name: "min", ty: ANY, default: Default::Value("-inf"), help: "Least intensity." },
        Param { name: "max", ty: ANY, default: Default::Value("inf"), help: "Greatest intensity." },
    ],
};

impl Operator for Clip {
    fn spec(&self) -> &'static Spec {
        &CLIP
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (min, max) = (call.args.float("min"), call.args.float("max"));
        if min > max {
            return Err(call.error(format!("min = {min} is greater than max = {max}")));
        }
        let grid = call.grid();
        Ok(Prepared::local(grid, Pointwise::one(grid.voxel, move |v| clip(v, min, max))))
    }
}

#[inline(always)]
fn clip(v: f64, min: f64, max: f64) -> f64 {
    let v = if v < min { min } else { v };
    if v > max { max } else { v }
}

/// Changes the voxel type.
pub struct Cast;

static CAST: Spec = Spec {
    id: "cast",
    group: Group::Grid,
    summary: "Changes the voxel type.",
    details: "Pointwise; exact block by block. Values are rounded half to even and limited to the range of an \
        integer type; NaN becomes 0 there. With `scale`, the range of the type that is left (0…1 for floats) is \
        mapped to that of the new one first.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "type",
            ty: ParamType::Choice(&["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]),
            default: Default::Required,
            help: "The new type.",
        },
        Param {
            name: "scale",
            ty: ParamType::Bool,
            default: Default::Value("false"),
            help: "Whether the whole range of the old type is mapped to that of the new one.",
        },
    ],
};

impl Operator for Cast {
    fn spec(&self) -> &'static Spec {
        &CAST
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (grid, to) = (call.grid(), voxel_type(call, "type"));
        let out = grid.with(to, Kind::Grey);
        if !call.args.bool("scale") {
            return Ok(Prepared::local(out, Convert { to }));
        }
        let ((a, b), (c, d)) = (type_range(grid.voxel), type_range(to));
        let (from, onto) = (b - a, d - c);
        Ok(Prepared::local(out, Pointwise::one(to, move |v| c + (v - a) * onto / from)))
    }
}

/// Plain conversion, which for integers doesn't go through `f64`.
struct Convert {
    to: VoxelType,
}

impl Local for Convert {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let [input] = <[_; 1]>::try_from(inputs).expect("one input");
        let input = input.expect("the first input is required");
        if input.voxel_type() == self.to {
            return Ok(Arc::try_unwrap(input).unwrap_or_else(|shared| (*shared).clone()));
        }
        // 64-bit integers to one another keep every bit.
        match (&*input, self.to) {
            (Volume::U64(a), VoxelType::I64) => Ok(a.mapv(|v| i64::try_from(v).unwrap_or(i64::MAX)).into()),
            (Volume::I64(a), VoxelType::U64) => Ok(a.mapv(|v| u64::try_from(v).unwrap_or(0)).into()),
            _ => map(&[&*input], self.to, job, &|_, _| ()),
        }
    }
}

/// Calculates with two images, or an image and a number.
pub struct Arithmetic;

static ARITHMETIC: Spec = Spec {
    id: "arithmetic",
    group: Group::Grid,
    summary: "Calculates with two images, or with an image and a number.",
    details: "Pointwise, in f64, then rounded half to even and limited to the type of the result; exact block by \
        block. Division by 0 gives ±infinity or NaN (for integer results the end of the range, or 0). NaN in \
        either operand gives NaN. Integers beyond 2⁵³ lose their last digits.",
    inputs: &[
        IMAGE,
        Input {
            name: "other",
            kinds: &[Kind::Grey],
            optional: true,
            help: "The second operand, of the same shape; without it, `value` is.",
        },
    ],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "operation",
            ty: ParamType::Choice(&["add", "subtract", "multiply", "divide", "min", "max", "difference"]),
            default: Default::Required,
            help: "What is calculated; difference is the absolute one.",
        },
        Param {
            name: "value",
            ty: ANY,
            default: Default::Absent,
            help: "The second operand, if it is a number.",
        },
        Param {
            name: "type",
            ty: TYPES,
            default: Default::Value("same"),
            help: "Voxel type of the result; same is that of the first image.",
        },
    ],
};

impl Operator for Arithmetic {
    fn spec(&self) -> &'static Spec {
        &ARITHMETIC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        same_shape(call, 1)?;
        let value = call.args.maybe_float("value");
        let number = match (value, call.inputs[1].is_some()) {
            (Some(_), true) => return Err(call.error("give either another image or a value, not both")),
            (None, false) => {
                return Err(call.error("a second operand is needed: other = \"name\" or value = number"));
            }
            (value, _) => value,
        };
        let to = voxel_type(call, "type");
        let out = call.grid().with(to, Kind::Grey);
        let run = match call.args.text("operation") {
            "add" => Pointwise::two(to, number, |a, b| a + b),
            "subtract" => Pointwise::two(to, number, |a, b| a - b),
            "multiply" => Pointwise::two(to, number, |a, b| a * b),
            "divide" => Pointwise::two(to, number, |a, b| a / b),
            "min" => Pointwise::two(to, number, |a, b| if a < b || a.is_nan() { a } else { b }),
            "max" => Pointwise::two(to, number, |a, b| if a > b || a.is_nan() { a } else { b }),
            _ => Pointwise::two(to, number, |a, b| (a - b).abs()),
        };
        Ok(Prepared::local(out, run))
    }
}

type Work = dyn Fn(&mut [f64], Option<&[f64]>) + Send + Sync;

/// A function of each voxel, and of that of a second image.
pub(super) struct Pointwise {
    to: VoxelType,
    work: Box<Work>,
}

impl Pointwise {
    /// A function of one voxel.
    pub fn one(to: VoxelType, f: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Self { to, work: Box::new(move |a, _| a.iter_mut().for_each(|v| *v = f(*v))) }
    }

    /// A function of two voxels, or of a voxel and a number.
    fn two(to: VoxelType, number: Option<f64>, f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Self {
        let work = move |a: &mut [f64], b: Option<&[f64]>| match (b, number) {
            (Some(b), _) => a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b)),
            (None, number) => {
                let b = number.expect("checked when it was prepared");
                a.iter_mut().for_each(|a| *a = f(*a, b));
            }
        };
        Self { to, work: Box::new(work) }
    }

    /// The result for volumes of the same shape.
    pub fn run(&self, inputs: &[Option<Arc<Volume>>], job: &Job) -> Result<Volume> {
        let volumes: Vec<&Volume> = inputs.iter().flatten().map(|v| &**v).collect();
        map(&volumes, self.to, job, &|a, others| {
            let n = a.len();
            (self.work)(a, others.first().map(|b| &b[..n]));
        })
    }
}

impl Local for Pointwise {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        self.run(&inputs, job)
    }
}

/// Keeps one side of a mask.
pub struct Mask;

static MASK: Spec = Spec {
    id: "mask",
    group: Group::Grid,
    summary: "Keeps the voxels inside a mask and sets the others to a value.",
    details: "Pointwise; exact block by block. Works on grey images, masks and labels alike. A value that the \
        type can't hold is rounded and limited to it.",
    inputs: &[
        Input {
            name: "input",
            kinds: &[Kind::Grey, Kind::Mask, Kind::Labels],
            optional: false,
            help: "The image.",
        },
        Input {
            name: "mask",
            kinds: &[Kind::Mask, Kind::Labels],
            optional: false,
            help: "Which voxels are kept: those that are not 0.",
        },
    ],
    output: Produces::Same,
    params: &[
        Param {
            name: "keep",
            ty: ParamType::Choice(&["inside", "outside"]),
            default: Default::Value("inside"),
            help: "Which side of the mask is kept.",
        },
        Param { name: "value", ty: ANY, default: Default::Value("0"), help: "What the other voxels become." },
    ],
};

impl Operator for Mask {
    fn spec(&self) -> &'static Spec {
        &MASK
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        same_shape(call, 1)?;
        let keep_inside = call.args.text("keep") == "inside";
        Ok(Prepared::local(call.grid(), Masked { keep_inside, value: call.args.float("value") }))
    }
}

struct Masked {
    keep_inside: bool,
    value: f64,
}

impl Local for Masked {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let [input, mask] = <[_; 2]>::try_from(inputs).expect("two inputs");
        let mask = mask.expect("the mask is required");
        let mut out = Arc::try_unwrap(input.expect("the first input is required"))
            .unwrap_or_else(|shared| (*shared).clone());
        with_volume!(&mut out, |a| {
            let voxels = a.as_slice_mut().expect("volumes are in C order");
            match &*mask {
                Volume::U8(m) => fill(voxels, slice(m), self.keep_inside, self.value, job),
                Volume::U32(m) => fill(voxels, slice(m), self.keep_inside, self.value, job),
                other => unreachable!("masks are u8 and labels u32, not {}", other.voxel_type()),
            }
        })?;
        Ok(out)
    }
}

fn slice<T>(a: &ndarray::Array3<T>) -> &[T] {
    a.as_slice().expect("volumes are in C order")
}

fn fill<T: Voxel, M: Voxel>(
    voxels: &mut [T],
    mask: &[M],
    keep_inside: bool,
    value: f64,
    job: &Job,
) -> Result<()> {
    let value = T::from_f64(value);
    parallel::zip(voxels, mask, job, &|v, m| {
        for (v, m) in v.iter_mut().zip(m) {
            *v = if (*m != M::default()) == keep_inside { *v } else { value };
        }
    })
}
