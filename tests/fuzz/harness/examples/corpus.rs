//! Packs and unpacks corpora, and seeds them; `run.sh` calls it.
//!
//! ```text
//! corpus unpack FILE.hex DIR     one file an input, as libFuzzer wants it
//! corpus pack DIR FILE.hex       as many inputs, evenly by length, as fit into a committed file
//! corpus pack-all DIR FILE.hex   every input
//! corpus seed VECTORS DIR        every message in the vectors
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use harness::hex;

/// Bytes of text that one target may have in the repository.
const MAX_FILE: usize = 32 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["unpack", file, dir] => {
            let text = fs::read_to_string(file).unwrap_or_default(); // a new target has none
            write_all(Path::new(dir), hex::corpus(&text));
        }
        ["pack", dir, file] => pack(Path::new(dir), Path::new(file), MAX_FILE),
        ["pack-all", dir, file] => pack(Path::new(dir), Path::new(file), usize::MAX),
        ["seed", vectors, dir] => seed(Path::new(vectors), Path::new(dir)),
        _ => panic!("usage: corpus unpack FILE DIR | pack[-all] DIR FILE | seed VECTORS DIR"),
    }
}

fn write_all(dir: &Path, inputs: impl IntoIterator<Item = Vec<u8>>) {
    fs::create_dir_all(dir).expect("a folder");
    for (number, input) in inputs.into_iter().enumerate() {
        fs::write(dir.join(format!("seed-{number:04}")), input).expect("a file");
    }
}

fn pack(dir: &Path, file: &Path, limit: usize) {
    let entries = fs::read_dir(dir).expect("a corpus");
    let mut inputs: Vec<Vec<u8>> =
        entries.map(|entry| fs::read(entry.expect("an entry").path()).expect("an input")).collect();
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    // Every input, every second one, every third one: long ones, which go deep, are kept as well as short ones.
    let lines: Vec<String> = inputs.iter().map(|input| hex::write(input) + "\n").collect();
    let text = (1..=lines.len().max(1))
        .map(|step| lines.iter().step_by(step).map(String::as_str).collect::<String>())
        .find(|text| text.len() <= limit)
        .unwrap_or_default();
    fs::write(file, text).expect("a file");
}

fn seed(vectors: &Path, dir: &Path) {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(vectors).expect("the vectors") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "json") {
            let text = fs::read_to_string(path).expect("a vector file");
            collect(&serde_json::from_str(&text).expect("JSON"), &mut found);
        }
    }
    // The largest ones only slow a fuzzer down.
    write_all(dir, found.into_iter().filter(|input| (4..=2048).contains(&input.len())));
}

fn collect(value: &serde_json::Value, found: &mut BTreeSet<Vec<u8>>) {
    match value {
        serde_json::Value::String(text) => found.extend(hex::read(text)),
        serde_json::Value::Array(all) => all.iter().for_each(|value| collect(value, found)),
        serde_json::Value::Object(all) => all.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}
