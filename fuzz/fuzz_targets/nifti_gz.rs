//! The bytes are deflated first, so that the fuzzer reaches the header behind the checksum.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| voxelry_fuzz::check("nii.gz", &voxelry_fuzz::gzip(data)));
