//! Randomness for keys and codes, from the system.

/// Random bytes.
///
/// # Panics
/// Where the system has no randomness: nothing safe can be made then.
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    #[expect(
        clippy::expect_used,
        reason = "Linux has randomness once it has booted"
    )]
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
