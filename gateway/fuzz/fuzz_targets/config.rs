//! libFuzzer's entry to `anyray_gateway_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anyray_gateway_fuzz::config::check(input));
