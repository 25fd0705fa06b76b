//! Writes the Kotlin or Swift source of a built `libstun_mobile`: `libstun-bindgen LIBRARY kotlin|swift FOLDER`.
//!
//! The sources check when they are loaded that they belong to the library, so both are always made together:
//! see `bindings/uniffi/build.sh`.

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate_with_bindgen_paths};
use uniffi_bindgen::{BindgenPaths, BindgenPathsLayer};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [library, language, folder] => match generate(library, language, folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: libstun-bindgen LIBRARY kotlin|swift FOLDER");
            ExitCode::from(2)
        }
    }
}

fn generate(library: &str, language: &str, folder: &str) -> Result<(), Box<dyn Error>> {
    let language = match language {
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        other => return Err(format!("{other:?} is no language that packages are made for").into()),
    };
    let options = GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: folder.into(),
        ..GenerateOptions::default()
    };
    let mut paths = BindgenPaths::default();
    paths.add_layer(Facade);
    generate_with_bindgen_paths(options, paths).map_err(|error| format!("{error:#}").into())
}

/// Where the one crate that has bindings keeps its `uniffi.toml`.
struct Facade;

impl BindgenPathsLayer for Facade {
    fn get_crate_root(&self, _: &str) -> Option<Utf8PathBuf> {
        Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../uniffi").into())
    }
}
