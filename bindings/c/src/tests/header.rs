//! `include/stun.h` is what the source says, and its version is the package's.

#![allow(clippy::arithmetic_side_effects, clippy::string_slice)] // a test may

use std::{env, fs, path::Path};

/// The sources of the codes, which other bindings share.
const CODES: [&str; 5] = ["call.rs", "config.rs", "event.rs", "message.rs", "nat.rs"];

#[test]
fn the_committed_header_is_what_the_source_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_root_or_default(root);
    let builder = cbindgen::Builder::new().with_config(config).with_crate(root);
    let codes = CODES.iter().map(|name| root.join("../flat/src/codes").join(name));
    let bindings = codes.fold(builder, cbindgen::Builder::with_src).generate();
    let mut generated = Vec::new();
    bindings.expect("cbindgen reads the crate").write(&mut generated);
    let generated = tidy(&String::from_utf8(generated).unwrap());
    let path = root.join("../../include/stun.h");
    if env::var_os("STUN_UPDATE_HEADER").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "include/stun.h differs from the source: run `make header` and commit it"
    );
}

#[test]
fn the_version_in_the_header_is_the_version_of_the_package() {
    let number = |part: &str| part.parse::<u32>().unwrap();
    let version = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"));
    let header = include_str!("../../cbindgen.toml");
    assert!(header.contains(&format!("#define STUN_VERSION_NUMBER {version:#08x}")), "{version:#08x}");
}

/// Comments as a person would set them: on one line where they fit, with an asterisk down the side where
/// they do not.
fn tidy(header: &str) -> String {
    let lines: Vec<&str> = header.lines().collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
        let is_doc = lines[at].trim() == "/*" && !lines[at + 1].trim_start().starts_with('*');
        if !is_doc {
            out.push(lines[at].trim_end().to_string());
            at += 1;
            continue;
        }
        let length = lines[at..].iter().position(|line| line.trim() == "*/").expect("comments end");
        let text: Vec<&str> = lines[at + 1..at + length].iter().map(|line| line.trim()).collect();
        match text[..] {
            [only] => out.push(format!("{indent}/* {only} */")),
            _ => {
                let body = text.iter().enumerate().map(|(n, line)| {
                    let start = if n == 0 { "/*" } else { " *" };
                    format!("{indent}{start} {line}").trim_end().to_string()
                });
                out.extend(body);
                out.last_mut().expect("a comment has text").push_str(" */");
            }
        }
        at += length + 1;
    }
    out.join("\n") + "\n"
}
