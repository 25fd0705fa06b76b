//! The house rules that a compiler does not check: who may import whom, and how large things may grow.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::string_slice, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up. A module imports itself and the floors below; neighbours never import each
/// other. `machine` stands on `wire`, whose transaction ids name a failed datagram.
const FLOORS: [&[&str]; 6] = [
    &["net", "time", "entropy", "crypto", "hasher", "ready"],
    &["wire"],
    &["machine"],
    &["transaction", "auth"],
    &["stun", "nat", "turn", "ice"],
    &["agent"],
];
/// What the crate's root exports again, and where each comes from.
const EXPORTED: [(&str, &str); 3] = [("Instant", "time"), ("Entropy", "entropy"), ("Machine", "machine")];
const CRYPTO_CRATES: [&str; 6] = ["hmac", "sha1", "sha2", "md5", "subtle", "crc32fast"];
const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 60;
const MIN_CITATIONS_PER_1000_LINES: usize = 10;

#[test]
fn every_import_goes_down_a_floor() {
    for (path, code) in sources("src") {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let own = floor(&module).unwrap_or_else(|| panic!("{} is on no floor", path.display()));
        for imported in code.match_indices("crate::").map(|(at, _)| first_word(&code[at + 7..])) {
            let name = EXPORTED.iter().find(|(name, _)| *name == imported).map_or(imported, |(_, home)| home);
            let below =
                floor(name).unwrap_or_else(|| panic!("{}: crate::{name} is on no floor", path.display()));
            assert!(
                name == module || below < own,
                "{} on floor {own} imports {name} on floor {below}",
                path.display()
            );
        }
    }
}

#[test]
fn only_one_file_names_crypto_crates() {
    for (path, code) in sources("src").into_iter().filter(|(path, _)| !path.ends_with("crypto.rs")) {
        for name in CRYPTO_CRATES {
            let is_named = mentions(&code, &format!("{name}::")) || code.contains(&format!("use {name};"));
            assert!(!is_named, "{} names {name}", path.display());
        }
    }
}

#[test]
fn the_standard_library_is_named_only_behind_its_feature() {
    for (path, code) in sources("src") {
        assert!(
            !mentions(&without_std_items(&code), "std::"),
            "{} names std outside its feature",
            path.display()
        );
    }
}

#[test]
fn files_and_functions_stay_readable() {
    let everywhere = ["src", "bindings", "python/src"].into_iter().flat_map(sources);
    for (path, _) in everywhere {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| is_code(line)).collect();
        assert!(lines.len() <= MAX_FILE_LINES, "{} has {} lines of code", path.display(), lines.len());
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| first_line_of_function(line)) {
            let indent = line.len() - line.trim_start().len();
            let is_end = |line: &&&str| {
                line.len() > indent && line[..indent].trim().is_empty() && &line[indent..] == "}"
            };
            let length = lines[start..].iter().position(|line| is_end(&line)).map_or(1, |last| last + 1);
            assert!(length <= MAX_FUNCTION_LINES, "{}: {length} lines: {}", path.display(), line.trim());
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_and_the_rfcs_are_cited() {
    let bindings = ["bindings/bindgen/src/main.rs", "bindings/flat/src/lib.rs", "bindings/uniffi/src/lib.rs"];
    for root in ["src/lib.rs"].into_iter().chain(bindings) {
        assert!(fs::read_to_string(root).unwrap().contains("#![forbid(unsafe_code)]"), "{root}");
    }
    let texts: Vec<String> =
        sources("src").iter().map(|(path, _)| without_tests(&fs::read_to_string(path).unwrap())).collect();
    let lines: usize = texts.iter().map(|text| text.lines().count()).sum();
    let is_citation = |rest: &str| rest.len() > 4 && rest.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    let cited = |text: &String| text.split("RFC ").skip(1).filter(|rest| is_citation(rest)).count();
    let citations: usize = texts.iter().map(cited).sum();
    println!("{citations} citations in {lines} lines");
    assert!(
        citations * 1000 >= MIN_CITATIONS_PER_1000_LINES * lines,
        "{citations} citations in {lines} lines"
    );
}

/// Every Rust file under a folder, except tests, with its code: no comments, no test modules.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        for path in entries.filter(|path| !path.ends_with("target") && !path.ends_with("tests")) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
                let text = without_tests(&fs::read_to_string(&path).unwrap());
                let code = text.lines().filter(|line| is_code(line)).collect::<Vec<_>>().join("\n");
                found.push((path, code));
            }
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Whether `name` stands there as a path of its own, not at the end of a longer one.
fn mentions(code: &str, name: &str) -> bool {
    let starts = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(name).any(|(at, _)| starts(at))
}

fn is_code(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with("//")
}

fn first_line_of_function(line: &str) -> bool {
    let line = line.trim();
    (line.starts_with("fn ") || line.contains(" fn ")) && !line.ends_with([';', '}'])
}

fn without_tests(text: &str) -> String {
    text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Without items behind `#[cfg(feature = "std")]`: to the end of the line, or of the block that it opens.
fn without_std_items(code: &str) -> String {
    let (mut kept, mut lines) = (Vec::new(), code.lines());
    while let Some(line) = lines.next() {
        if !line.contains("#[cfg(feature = \"std\")]") {
            kept.push(line);
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        lines
            .by_ref()
            .find(|line| line.len() - line.trim_start().len() == indent && line.ends_with(['}', ';']));
    }
    kept.join("\n")
}
