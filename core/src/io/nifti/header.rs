//! The fields of NIfTI-1 and NIfTI-2 headers that matter here, read from bytes and written to them.
//!
//! Cox R. W. et al., "A (sort of) new image data format standard: NIfTI-1" (2004) and the NIfTI-2
//! header of 2011. NIfTI-1 headers are taken apart by the `nifti` crate, which has no NIfTI-2.

use crate::Result;
use crate::error::Error;
use std::path::Path;

/// Both versions in one: integers and floats are widened to those of NIfTI-2.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub version: u8,
    pub big_endian: bool,
    /// Whether the voxels follow in the same file.
    pub single: bool,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub scl_slope: f64,
    pub scl_inter: f64,
    pub xyzt_units: u8,
    pub intent_code: i32,
    pub intent_name: [u8; 16],
    pub descrip: [u8; 80],
    pub qform_code: i32,
    pub sform_code: i32,
    /// b, c, d of the unit quaternion.
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
}

/// Length of a NIfTI-1 header.
pub(super) const LEN_1: usize = 348;
/// Length of a NIfTI-2 header.
pub(super) const LEN_2: usize = 540;

/// The version, if these bytes begin a NIfTI header.
pub(super) fn version(head: &[u8]) -> Option<u8> {
    match (head.get(344..348), head.get(4..8)) {
        (Some(b"n+1\0" | b"ni1\0"), _) => Some(1),
        (_, Some(b"n+2\0" | b"ni2\0")) => Some(2),
        _ => None,
    }
}

impl Header {
    /// Takes the bytes of a header apart.
    ///
    /// # Errors
    /// If there are too few, or they are not a NIfTI header.
    pub fn parse(path: &Path, head: &[u8]) -> Result<Self> {
        match version(head) {
            Some(1) => Self::parse_1(path, head),
            Some(_) if head.len() >= LEN_2 => Ok(Self::parse_2(head)),
            Some(_) => {
                Err(Error::file(path, format!("the header ends after {} of {LEN_2} bytes", head.len())))
            }
            None if head.len() < LEN_1 => {
                Err(Error::file(path, format!("the header ends after {} of {LEN_1} bytes", head.len())))
            }
            None => {
                let magic = head[344..348].escape_ascii();
                Err(Error::file(
                    path,
                    format!("magic is \"{magic}\", which is not NIfTI's \"n+1\" or \"ni1\""),
                ))
            }
        }
    }

    fn parse_1(path: &Path, head: &[u8]) -> Result<Self> {
        let h = nifti::NiftiHeader::from_reader(&head[..LEN_1])
            .map_err(|e| Error::file(path, format!("the header is damaged: {e}")))?;
        let mut descrip = [0; 80];
        let n = h.descrip.len().min(80);
        descrip[..n].copy_from_slice(&h.descrip[..n]);
        Ok(Self {
            version: 1,
            big_endian: h.endianness == nifti::Endianness::Big,
            single: &h.magic == b"n+1\0",
            // The crate has them unsigned, the standard signed.
            dim: h.dim.map(|d| i64::from(d as i16)),
            datatype: h.datatype,
            bitpix: h.bitpix,
            pixdim: h.pixdim.map(f64::from),
            vox_offset: h.vox_offset.into(),
            scl_slope: h.scl_slope.into(),
            scl_inter: h.scl_inter.into(),
            xyzt_units: h.xyzt_units,
            intent_code: h.intent_code.into(),
            intent_name: h.intent_name,
            descrip,
            qform_code: h.qform_code.into(),
            sform_code: h.sform_code.into(),
            quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
            qoffset: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
            srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
        })
    }

    fn parse_2(head: &[u8]) -> Self {
        let big_endian = i32::from_le_bytes(bytes(head, 0)) != LEN_2 as i32;
        let r = Fields { head, big_endian };
        Self {
            version: 2,
            big_endian,
            single: &head[4..8] == b"n+2\0",
            dim: std::array::from_fn(|i| r.i64(16 + 8 * i)),
            datatype: r.i16(12),
            bitpix: r.i16(14),
            pixdim: std::array::from_fn(|i| r.f64(104 + 8 * i)),
            vox_offset: r.i64(168) as f64,
            scl_slope: r.f64(176),
            scl_inter: r.f64(184),
            xyzt_units: r.i32(500) as u8,
            intent_code: r.i32(504),
            intent_name: bytes(head, 508),
            descrip: bytes(head, 240),
            qform_code: r.i32(344),
            sform_code: r.i32(348),
            quatern: std::array::from_fn(|i| r.f64(352 + 8 * i)),
            qoffset: std::array::from_fn(|i| r.f64(376 + 8 * i)),
            srow: std::array::from_fn(|row| std::array::from_fn(|i| r.f64(400 + 32 * row + 8 * i))),
        }
    }

    /// The header as bytes in this machine's order, with the four bytes that say that no extension
    /// follows.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; if self.version == 1 { LEN_1 + 4 } else { LEN_2 + 4 }];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        if self.version == 1 {
            let f = |v: f64| (v as f32).to_ne_bytes();
            put(0, &(LEN_1 as i32).to_ne_bytes());
            put(38, b"r");
            for i in 0..8 {
                put(40 + 2 * i, &(self.dim[i] as i16).to_ne_bytes());
                put(76 + 4 * i, &f(self.pixdim[i]));
            }
            put(68, &(self.intent_code as i16).to_ne_bytes());
            put(70, &self.datatype.to_ne_bytes());
            put(72, &self.bitpix.to_ne_bytes());
            put(108, &f(self.vox_offset));
            put(112, &f(self.scl_slope));
            put(116, &f(self.scl_inter));
            put(123, &[self.xyzt_units]);
            put(148, &self.descrip);
            put(252, &(self.qform_code as i16).to_ne_bytes());
            put(254, &(self.sform_code as i16).to_ne_bytes());
            for i in 0..3 {
                put(256 + 4 * i, &f(self.quatern[i]));
                put(268 + 4 * i, &f(self.qoffset[i]));
                for j in 0..4 {
                    put(280 + 16 * i + 4 * j, &f(self.srow[i][j]));
                }
            }
            put(328, &self.intent_name);
            put(344, if self.single { b"n+1\0" } else { b"ni1\0" });
        } else {
            put(0, &(LEN_2 as i32).to_ne_bytes());
            put(4, if self.single { b"n+2\0" } else { b"ni2\0" });
            put(8, b"\r\n\x1a\n");
            put(12, &self.datatype.to_ne_bytes());
            put(14, &self.bitpix.to_ne_bytes());
            for i in 0..8 {
                put(16 + 8 * i, &self.dim[i].to_ne_bytes());
                put(104 + 8 * i, &self.pixdim[i].to_ne_bytes());
            }
            put(168, &(self.vox_offset as i64).to_ne_bytes());
            put(176, &self.scl_slope.to_ne_bytes());
            put(184, &self.scl_inter.to_ne_bytes());
            put(240, &self.descrip);
            put(344, &self.qform_code.to_ne_bytes());
            put(348, &self.sform_code.to_ne_bytes());
            for i in 0..3 {
                put(352 + 8 * i, &self.quatern[i].to_ne_bytes());
                put(376 + 8 * i, &self.qoffset[i].to_ne_bytes());
                for j in 0..4 {
                    put(400 + 32 * i + 8 * j, &self.srow[i][j].to_ne_bytes());
                }
            }
            put(500, &i32::from(self.xyzt_units).to_ne_bytes());
            put(504, &self.intent_code.to_ne_bytes());
            put(508, &self.intent_name);
        }
        out
    }
}

struct Fields<'a> {
    head: &'a [u8],
    big_endian: bool,
}

/// `N` bytes from `at`; the caller has checked the length of the header.
fn bytes<const N: usize>(head: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| head[at + i])
}

impl Fields<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut b = bytes(self.head, at);
        if self.big_endian {
            b.reverse();
        }
        b
    }
    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.get(at))
    }
    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.get(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.get(at))
    }
    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_bytes() {
        for version in [1, 2] {
            let header = Header {
                version,
                big_endian: cfg!(target_endian = "big"),
                single: true,
                dim: [5, 3, 4, 5, 6, 7, 1, 1],
                datatype: 512,
                bitpix: 16,
                pixdim: [-1.0, 0.5, 2.0, 3.0, 4.0, 1.0, 1.0, 1.0],
                vox_offset: 560.0,
                scl_slope: 2.0,
                scl_inter: -1.0,
                xyzt_units: 10,
                intent_code: 1002,
                intent_name: *b"labels\0\0\0\0\0\0\0\0\0\0",
                descrip: [b'd'; 80],
                qform_code: 1,
                sform_code: 4,
                quatern: [0.5, 0.25, -0.5],
                qoffset: [1.0, 2.0, 3.0],
                srow: [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [9.0, 10.0, 11.0, 12.0]],
            };
            let bytes = header.to_bytes();
            assert_eq!(Header::parse(Path::new("a.nii"), &bytes).unwrap(), header);
        }
    }
}
