//! Corpora as text: one input a line, in hexadecimal.

/// The bytes of a line; `None` if it is not hexadecimal.
#[must_use]
pub fn read(line: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = line.trim().chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits?;
    (digits.len() % 2 == 0).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The line of some bytes.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every input of a corpus; `#` begins a comment.
///
/// # Panics
/// A line is not hexadecimal.
#[must_use]
pub fn corpus(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| read(line).unwrap_or_else(|| panic!("not hexadecimal: {line}"))).collect()
}
