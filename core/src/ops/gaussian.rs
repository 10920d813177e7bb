//! Gaussian smoothing, and what is made of it: gradient magnitude, Laplacian, unsharp masking and
//! the subtraction of a smooth background. All are sums of separable kernels.

use super::Operator;
use super::filter::{BORDER, Border, Finish, GREY, OUTPUT, Separable, Taps, output_type};
use crate::program::{Call, Default, Group, Kind, Param, ParamType, Prepared, Produces, Spec};
use crate::{Result, VoxelType};

/// Gaussian smoothing.
pub struct Gaussian;

const SIGMA: Param = Param {
    name: "sigma",
    ty: ParamType::Length { min: 0.0 },
    default: Default::Value("1"),
    help: "Standard deviation; 0 leaves an axis as it is.",
};

/// A derivative needs a scale.
const SCALE: Param = Param {
    name: "sigma",
    ty: ParamType::Length { min: 0.1 },
    default: Default::Value("1"),
    help: "Standard deviation of the Gaussian whose derivatives are taken: the scale of the structures.",
};

const TRUNCATE: Param = Param {
    name: "truncate",
    ty: ParamType::Float { min: 0.5, max: 20.0 },
    default: Default::Value("4"),
    help: "Where the kernel ends, in standard deviations.",
};

/// The greatest radius of a kernel, in voxels: beyond it a mistyped unit is likelier than a wish.
const GREATEST_RADIUS: f64 = 4096.0;

/// Standard deviations in voxels, and the checked parameters that all of these share.
struct Smoothing {
    sigma: [f64; 3],
    truncate: f64,
    border: Border,
}

impl Smoothing {
    fn of(call: &Call) -> Result<Self> {
        let (sigma, truncate) = (call.voxels("sigma")?, call.args.float("truncate"));
        let border = Border::named(call.args.text("border"));
        if sigma.iter().any(|s| s * truncate > GREATEST_RADIUS) {
            return Err(call.error(format!(
                "sigma is {sigma:?} voxels, more than a kernel of radius {GREATEST_RADIUS} holds; bin the image first"
            )));
        }
        Ok(Self { sigma, truncate, border })
    }

    fn taps(&self) -> [Taps; 3] {
        self.sigma.map(|s| Taps::gaussian(s, self.truncate))
    }

    fn filter(&self, finish: Finish, output: VoxelType) -> Separable {
        Separable::single(self.taps(), finish, self.border, output)
    }

    /// Each axis' own kernel with the smoothing of the other two: sums along `z, y, x`.
    fn derivatives(&self, own: fn(f64, f64) -> Taps, finish: Finish, output: VoxelType) -> Separable {
        let [z, y, x] = self.taps();
        let [dz, dy, dx] = self.sigma.map(|s| own(s, self.truncate));
        Separable {
            x: vec![x, dx],
            y: vec![(0, y.clone()), (0, dy), (1, y)],
            z: vec![(0, dz), (1, z.clone()), (2, z)],
            finish,
            border: self.border,
            output,
            exact: false,
        }
    }
}

/// A grey result of the chosen type.
fn prepared(call: &Call, filter: Separable) -> Prepared {
    Prepared::local(call.grid().with(filter.output, Kind::Grey), filter).scratch(1.1)
}

fn chosen(call: &Call) -> VoxelType {
    output_type(call.args.text("output"), call.grid().voxel)
}

fn float(call: &Call) -> VoxelType {
    output_type("float", call.grid().voxel)
}

static GAUSSIAN: Spec = Spec {
    id: "gaussian",
    group: Group::Filter,
    summary: "Smooths with a Gaussian.",
    details: "Separable sum over a sampled Gaussian of sum 1, cut off at truncate standard deviations \
        (radius = ⌊truncate·σ + ½⌋ voxels); the same kernel and borders as scipy.ndimage.gaussian_filter. \
        Computed in f32 (f64 for 32- and 64-bit integers and f64). NaN spreads as far as the kernel reaches. \
        Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[SIGMA, TRUNCATE, BORDER, OUTPUT],
};

impl Operator for Gaussian {
    fn spec(&self) -> &'static Spec {
        &GAUSSIAN
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        Ok(prepared(call, Smoothing::of(call)?.filter(Finish::Scaled(1.0), chosen(call))))
    }
}

/// Length of the gradient at a scale.
pub struct GradientMagnitude;

static GRADIENT: Spec = Spec {
    id: "gradient-magnitude",
    group: Group::Filter,
    summary: "Length of the intensity gradient at a scale: high on edges.",
    details: "Derivatives of a Gaussian along the array axes (scipy.ndimage.gaussian_gradient_magnitude), \
        in intensity per unit of length (per voxel where the voxel size is not known). Computed in f32 (f64 \
        for 32- and 64-bit integers and f64). NaN spreads as far as the kernel reaches. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[SCALE, TRUNCATE, BORDER],
};

impl Operator for GradientMagnitude {
    fn spec(&self) -> &'static Spec {
        &GRADIENT
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        call.at_right_angles("derivatives along the axes")?;
        let finish = Finish::Magnitude(call.grid().geometry.spacing().map(|s| 1.0 / s));
        Ok(prepared(call, Smoothing::of(call)?.derivatives(Taps::gaussian_slope, finish, float(call))))
    }
}

/// Laplacian of a Gaussian.
pub struct LaplacianOfGaussian;

static LAPLACIAN: Spec = Spec {
    id: "laplacian-of-gaussian",
    group: Group::Filter,
    summary: "Sum of second derivatives at a scale: negative on bright blobs, positive on dark ones.",
    details: "Second derivatives of a Gaussian along the array axes (scipy.ndimage.gaussian_laplace; Marr & \
        Hildreth 1980, doi:10.1098/rspb.1980.0020), in intensity per unit of length squared (per voxel squared \
        where the voxel size is not known). A ball of radius r answers most at σ = r∕√3. Computed in f32 (f64 for \
        32- and 64-bit integers and f64). NaN spreads as far as the kernel reaches. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[SCALE, TRUNCATE, BORDER],
};

impl Operator for LaplacianOfGaussian {
    fn spec(&self) -> &'static Spec {
        &LAPLACIAN
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        call.at_right_angles("derivatives along the axes")?;
        let finish = Finish::Total(call.grid().geometry.spacing().map(|s| 1.0 / (s * s)));
        Ok(prepared(call, Smoothing::of(call)?.derivatives(Taps::gaussian_curvature, finish, float(call))))
    }
}

/// Unsharp masking.
pub struct Unsharp;

static UNSHARP: Spec = Spec {
    id: "unsharp",
    group: Group::Filter,
    summary: "Sharpens by adding back what a Gaussian smooths away.",
    details: "v + amount·(v − Gaussian(v)). Where the difference is less than threshold, v is kept, so that noise \
        is not sharpened. Computed in f32 (f64 for 32- and 64-bit integers and f64). NaN spreads as far as the \
        kernel reaches. Exact block by block.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        SIGMA,
        Param {
            name: "amount",
            ty: ParamType::Float { min: 0.0, max: 1e6 },
            default: Default::Value("1"),
            help: "How much of the difference is added.",
        },
        Param {
            name: "threshold",
            ty: ParamType::Float { min: 0.0, max: f64::INFINITY },
            default: Default::Value("0"),
            help: "Least difference, in intensity, that is sharpened.",
        },
        TRUNCATE,
        BORDER,
        OUTPUT,
    ],
};

impl Operator for Unsharp {
    fn spec(&self) -> &'static Spec {
        &UNSHARP
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let finish =
            Finish::Sharpened { amount: call.args.float("amount"), threshold: call.args.float("threshold") };
        Ok(prepared(call, Smoothing::of(call)?.filter(finish, chosen(call))))
    }
}

/// Removes a smooth background.
pub struct BackgroundSubtraction;

static BACKGROUND: Spec = Spec {
    id: "background-subtraction",
    group: Group::Filter,
    summary: "Removes slow shading by subtracting, or dividing by, a heavily smoothed image.",
    details: "The background is a Gaussian mean with a σ several times the size of the objects, so that it \
        follows the shading and not them; it is no rolling ball, and large objects pull it towards themselves. \
        Subtraction suits additive shading, division multiplicative shading (0 where the background is 0). Computed \
        in f32 (f64 for 32- and 64-bit integers and f64). NaN spreads as far as the kernel reaches. Exact block by \
        block, with a halo of truncate·σ.",
    inputs: GREY,
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "sigma",
            ty: ParamType::Length { min: 0.1 },
            default: Default::Value("20"),
            help: "Standard deviation of the smoothing: several times the size of the objects.",
        },
        Param {
            name: "mode",
            ty: ParamType::Choice(&["subtract", "divide"]),
            default: Default::Value("subtract"),
            help: "Whether the background is subtracted or divided by.",
        },
        Param {
            name: "truncate",
            ty: ParamType::Float { min: 0.5, max: 20.0 },
            default: Default::Value("3"),
            help: "Where the kernel ends, in standard deviations.",
        },
        BORDER,
    ],
};

impl Operator for BackgroundSubtraction {
    fn spec(&self) -> &'static Spec {
        &BACKGROUND
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let finish = if call.args.text("mode") == "divide" { Finish::Ratio } else { Finish::Difference };
        // Planes within the reach of so wide a kernel are held.
        Ok(prepared(call, Smoothing::of(call)?.filter(finish, float(call))).scratch(5.6))
    }
}

#[cfg(test)]
mod tests {
    use crate::Volume;
    use crate::ops::filter::testing::{check_blocks, check_peers, prepare, run, values};
    use ndarray::Array3;

    #[test]
    fn equal_to_peers() {
        for op in
            ["gaussian", "gradient-magnitude", "laplacian-of-gaussian", "unsharp", "background-subtraction"]
        {
            check_peers(op);
        }
    }

    #[test]
    fn blocks_do_not_show() {
        check_blocks("gaussian", &[("sigma", "1.3")], 1, 14);
        check_blocks("gaussian", &[("sigma", "0,4,1"), ("border", "mirror"), ("output", "same")], 2, 10);
        check_blocks("gaussian", &[("sigma", "3"), ("border", "reflect")], 3, 8);
        check_blocks("gradient-magnitude", &[("sigma", "1")], 4, 8);
        check_blocks("laplacian-of-gaussian", &[("sigma", "1")], 5, 8);
        check_blocks("unsharp", &[("sigma", "1"), ("threshold", "0.1")], 6, 8);
        check_blocks("background-subtraction", &[("sigma", "5"), ("mode", "divide")], 7, 8);
    }

    #[test]
    fn nan_reaches_as_far_as_the_kernel() {
        let mut a = Array3::<f32>::zeros((9, 9, 9));
        a[[4, 4, 4]] = f32::NAN;
        let seen = values(&run("gaussian", &[("sigma", "0.5")], &Volume::from(a), [1.0; 3]));
        assert_eq!(seen.iter().filter(|v| v.is_nan()).count(), 125);
    }

    #[test]
    fn a_ramp_has_its_physical_slope() {
        let a = Array3::from_shape_fn((41, 3, 3), |(z, _, _)| 3.0 * z as f64);
        let seen = run(
            "gradient-magnitude",
            &[("sigma", "1 mm"), ("truncate", "8")],
            &Volume::from(a),
            [0.5, 1.0, 1.0],
        );
        assert!((seen.get([20, 1, 1]).unwrap() - 6.0).abs() < 1e-9);
    }

    #[test]
    fn physical_lengths_need_a_voxel_size_and_sane_units() {
        let v = Volume::from(Array3::<u8>::zeros((2, 2, 2)));
        let grid = |s| Some(crate::ops::filter::testing::grid(&v, s));
        assert!(prepare("gaussian", &[("sigma", "1 mm")], &[grid([1.0; 3])]).is_err());
        assert!(prepare("gaussian", &[("sigma", "9 m")], &[grid([2.0; 3])]).is_err());
    }
}
