//! Ids that look like the providers' own, made of the number of a request.

/// `prefix` and 32 hexadecimal digits, different for each number.
pub(crate) fn long_id(prefix: &str, serial: u64) -> String {
    format!(
        "{prefix}{:016x}{:016x}",
        scramble(serial),
        scramble(!serial)
    )
}

/// `prefix` and 22 digits, as Anthropic's ids have after `01`.
pub(crate) fn short_id(prefix: &str, serial: u64) -> String {
    format!(
        "{prefix}{:016x}{:06x}",
        scramble(serial),
        scramble(!serial) >> 40
    )
}

/// A UUID, version 4, as the cloud providers number requests.
pub(crate) fn guid(serial: u64) -> String {
    let (left, right) = (scramble(serial), scramble(!serial));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        left >> 32,
        left >> 16 & 0xffff,
        left & 0xfff,
        right >> 52,
        right & 0xffff_ffff_ffff,
    )
}

/// The mixing steps of splitmix64: one number in, one out, none twice.
pub(crate) fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_fixed_length_and_differ() {
        assert_eq!(long_id("req_", 1).len(), 36);
        assert_eq!(short_id("msg_01", 1).len(), 28);
        assert_ne!(long_id("req_", 1), long_id("req_", 2));
        assert_eq!(guid(1).len(), 36);
        assert_ne!(guid(1), guid(2));
    }
}
