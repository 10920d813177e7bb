#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| voxelry_fuzz::check("h5", data));
