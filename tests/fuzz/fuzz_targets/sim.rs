#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libstun_sim::fuzz_entry(data));
