//! libFuzzer's entry to `anyray_gateway_fuzz::aws_event_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anyray_gateway_fuzz::aws_event_stream::check(input));
