//! libFuzzer's entry to `anyray_gateway_fuzz::key_scan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anyray_gateway_fuzz::key_scan::check(input));
