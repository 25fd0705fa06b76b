//! What users get with the library: few dependencies, all under licences that they can live with.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test may

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// One of the alternatives of every dependency's licence must be here.
const ALLOWED: [&str; 4] = ["MIT", "Apache-2.0", "BSD-3-Clause", "Unlicense"];

/// What a binding cannot be made without, under a licence that asks for its own files' source alone.
const GIVEN: [(&str, &str); 6] = [
    ("uniffi", "MPL-2.0"),
    ("uniffi_core", "MPL-2.0"),
    ("uniffi_internal_macros", "MPL-2.0"),
    ("uniffi_macros", "MPL-2.0"),
    ("uniffi_meta", "MPL-2.0"),
    ("uniffi_pipeline", "MPL-2.0"),
];

/// Direct dependencies of the core with all features. A new one needs a reason in its commit.
const CORE: [&str; 14] = [
    "base64ct",
    "chacha20",
    "crc32fast",
    "getrandom",
    "hashbrown",
    "hmac",
    "md-5",
    "precis-profiles",
    "rand_core",
    "sha1",
    "sha2",
    "slab",
    "subtle",
    "zeroize",
];

/// Those of them that a feature brings.
const OPTIONAL: [&str; 2] = ["getrandom", "precis-profiles"];

#[test]
fn the_core_has_the_dependencies_it_is_known_to_have() {
    let metadata = metadata();
    let names: BTreeSet<&str> = normal_dependencies(package(&metadata, "libstun")).collect();
    assert_eq!(names, BTreeSet::from(CORE));
}

#[test]
fn what_the_bindings_share_needs_nothing_but_the_core() {
    let metadata = metadata();
    let names: Vec<&str> = normal_dependencies(package(&metadata, "libstun-flat")).collect();
    assert_eq!(names, ["libstun"]);
}

#[test]
fn every_dependency_that_reaches_users_has_an_allowed_licence() {
    let metadata = metadata();
    let by_name: BTreeMap<&str, &Value> = array(&metadata["packages"])
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package))
        .collect();
    let mut pending = vec!["libstun", "libstun-c", "libstun-flat", "libstun-python", "libstun-uniffi"];
    let mut seen = BTreeSet::new();
    while let Some(name) = pending.pop() {
        // Packages of other platforms are in the metadata too, and count.
        let Some(package) = by_name.get(name).filter(|_| seen.insert(name)) else { continue };
        let license = package["license"].as_str().unwrap_or("none");
        // A slash is how licences were separated before SPDX.
        let mut alternatives = license.split('/').flat_map(|part| part.split(" OR "));
        let is_allowed = alternatives.any(|one| ALLOWED.contains(&one.trim_matches(['(', ')'])))
            || GIVEN.contains(&(name, license));
        assert!(is_allowed, "{name} is under {license}");
        pending.extend(normal_dependencies(package));
    }
    assert!(seen.len() > CORE.len(), "the walk found the dependencies of dependencies");
}

#[test]
fn the_library_for_kotlin_and_swift_does_not_depend_on_their_generator() {
    let linked =
        ["tree", "--locked", "-p", "libstun-uniffi", "-e", "normal,no-proc-macro", "--prefix", "none"];
    let output = Command::new(env!("CARGO")).args(linked).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("uniffi_core"), "{names:?}");
    for name in ["uniffi_bindgen", "askama", "goblin", "clap"] {
        assert!(!names.contains(name), "{name} is in it");
    }
}

fn metadata() -> Value {
    let output =
        Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--locked"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn package<'a>(metadata: &'a Value, name: &str) -> &'a Value {
    array(&metadata["packages"]).iter().find(|package| package["name"] == name).unwrap()
}

/// Names of dependencies that are neither for tests nor for build scripts.
fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    array(&package["dependencies"])
        .iter()
        .filter(|dependency| {
            let is_on =
                dependency["optional"] != true || OPTIONAL.contains(&dependency["name"].as_str().unwrap());
            dependency["kind"].is_null() && is_on
        })
        .map(|dependency| dependency["name"].as_str().unwrap())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
