//! libFuzzer's entry to `anyray_gateway_fuzz::claude_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anyray_gateway_fuzz::claude_bodies::check(input));
