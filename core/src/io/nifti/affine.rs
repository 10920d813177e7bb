//! The map from voxel to world that a NIfTI header gives, and back.

use super::header::Header;
use glam::{DAffine3, DMat3, DVec3};

/// Which of the three ways of the standard was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Sform,
    Qform,
    Base,
}

/// The affine with the choice that nibabel makes: the sform where it has a code, else the qform,
/// else spacings about the centre of the image with x to the left. A transform that is not finite
/// or not invertible is passed over, with a note.
pub(super) fn choose(header: &Header, notes: &mut Vec<String>) -> (DAffine3, Method) {
    let chosen = affine_of(header, notes);
    if chosen.1 != Method::Sform {
        for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
            let given = header.pixdim[axis + 1];
            if header.dim[axis + 1] > 1 && axis < header.dim[0] as usize && given != spacing(header)[axis] {
                let taken = spacing(header)[axis];
                notes.push(format!("the voxel size along {name} (pixdim) is {given}; {taken} is taken"));
            }
        }
    }
    chosen
}

fn affine_of(header: &Header, notes: &mut Vec<String>) -> (DAffine3, Method) {
    let usable = |a: &DAffine3| a.is_finite() && a.matrix3.determinant() != 0.0;
    // Codes beyond 5 are not in the standard; like 0 they say nothing.
    if (1..=5).contains(&header.sform_code) {
        let affine = sform(header);
        if usable(&affine) {
            if (1..=5).contains(&header.qform_code) {
                notes.extend(disagreement(header, &affine, &qform(header)));
            } else {
                notes.extend(other_spacing(header, &affine));
            }
            return (affine, Method::Sform);
        }
        notes.push("the sform (srow_x, srow_y, srow_z) cannot be inverted and is not used".into());
    }
    if (1..=5).contains(&header.qform_code) {
        let affine = qform(header);
        if usable(&affine) {
            return (affine, Method::Qform);
        }
        notes.push("the qform cannot be inverted and is not used".into());
    }
    (base(header), Method::Base)
}

/// A note, if two maps differ by more than half a voxel anywhere in the image.
fn disagreement(header: &Header, sform: &DAffine3, qform: &DAffine3) -> Option<String> {
    let last = size(header) - 1.0;
    let corners =
        (0..8).map(|c| last * DVec3::new(f64::from(c & 1), f64::from(c >> 1 & 1), f64::from(c >> 2)));
    let apart = corners.map(|corner| sform.transform_point3(corner).distance(qform.transform_point3(corner)));
    let apart = apart.fold(0.0, f64::max);
    (apart > 0.5 * spacing(header).min_element())
        .then(|| format!("sform and qform disagree, by up to {apart:.3} units of length; the sform is used"))
}

/// A note, if `pixdim` gives a voxel size that is half a voxel from the sform's anywhere in the image.
fn other_spacing(header: &Header, sform: &DAffine3) -> Option<String> {
    let m = sform.matrix3;
    let own = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
    let said = spacing(header);
    let apart = (own - said).abs() * (size(header) - 1.0).max(DVec3::ONE);
    apart.cmpgt(0.5 * own).any().then(|| {
        format!(
            "the sform gives voxels of {} × {} × {}, pixdim of {} × {} × {}; the sform is used",
            own.x, own.y, own.z, said.x, said.y, said.z
        )
    })
}

/// Numbers of voxels along x, y, z.
fn size(header: &Header) -> DVec3 {
    let size = |i: usize| if (i as i64) < header.dim[0] { header.dim[i + 1] as f64 } else { 1.0 };
    DVec3::new(size(0), size(1), size(2)).max(DVec3::ONE)
}

/// The affine in the rows `srow_x`, `srow_y`, `srow_z`.
pub(super) fn sform(header: &Header) -> DAffine3 {
    let column = |i: usize| DVec3::new(header.srow[0][i], header.srow[1][i], header.srow[2][i]);
    DAffine3::from_cols(column(0), column(1), column(2), column(3))
}

/// Spacing `(x, y, z)`: positive, 1 where the header has 0 or nonsense.
pub(super) fn spacing(header: &Header) -> DVec3 {
    let clean = |v: f64| if v == 0.0 || !v.is_finite() { 1.0 } else { v.abs() };
    DVec3::new(clean(header.pixdim[1]), clean(header.pixdim[2]), clean(header.pixdim[3]))
}

fn qform(header: &Header) -> DAffine3 {
    let [b, c, d] = header.quatern;
    // A unit quaternion's first part follows from the other three; rounding may make it negative.
    let squares = b * b + c * c + d * d;
    let threshold = 3.0 * if header.version == 1 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let a = if 1.0 - squares < threshold { 0.0 } else { (1.0 - squares).sqrt() };
    let norm = a * a + squares;
    let s = if norm > f64::EPSILON { 2.0 / norm } else { 0.0 };
    let rotation = DMat3::from_cols(
        DVec3::new(1.0 - s * (c * c + d * d), s * (b * c + a * d), s * (b * d - a * c)),
        DVec3::new(s * (b * c - a * d), 1.0 - s * (b * b + d * d), s * (c * d + a * b)),
        DVec3::new(s * (b * d + a * c), s * (c * d - a * b), 1.0 - s * (b * b + c * c)),
    );
    let mut scale = spacing(header);
    if header.pixdim[0] == -1.0 {
        scale.z = -scale.z;
    }
    DAffine3 {
        matrix3: rotation * DMat3::from_diagonal(scale),
        translation: DVec3::from_array(header.qoffset),
    }
}

fn base(header: &Header) -> DAffine3 {
    let scale = spacing(header) * DVec3::new(-1.0, 1.0, 1.0);
    let centre = (size(header) - 1.0) / 2.0;
    DAffine3 { matrix3: DMat3::from_diagonal(scale), translation: -scale * centre }
}

/// Writes an affine into the sform and, where it has no shear, into the qform.
pub(super) fn store(header: &mut Header, affine: &DAffine3, code: i32) {
    let m = affine.matrix3;
    for row in 0..3 {
        let (linear, shift) = (m.row(row), affine.translation[row]);
        header.srow[row] = [linear.x, linear.y, linear.z, shift];
    }
    header.sform_code = code;
    let lengths = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
    header.pixdim[1..4].copy_from_slice(&lengths.to_array());
    let mut rotation = DMat3::from_cols(m.x_axis / lengths.x, m.y_axis / lengths.y, m.z_axis / lengths.z);
    header.pixdim[0] = if rotation.determinant() < 0.0 { -1.0 } else { 1.0 };
    rotation.z_axis *= header.pixdim[0];
    let off = (rotation * rotation.transpose() - DMat3::IDENTITY).to_cols_array();
    if off.iter().any(|v| v.abs() >= 1e-5 || v.is_nan()) {
        header.qform_code = 0;
        return;
    }
    let mut q = glam::DQuat::from_mat3(&rotation).normalize();
    if q.w < 0.0 {
        q = -q;
    }
    header.quatern = [q.x, q.y, q.z];
    header.qoffset = affine.translation.to_array();
    header.qform_code = code;
}
