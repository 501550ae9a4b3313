//! AWS's event stream, as far as the mock writes it: frames of text headers and a JSON payload,
//! their checksums, and the base64 inside. Source: https://smithy.io/2.0/aws/amazon-eventstream.html

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A frame: total length, length of the headers, their CRC, headers, payload, CRC of all.
pub fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(name.len() as u8);
        headers.extend(name.bytes());
        headers.push(7); // text
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.bytes());
    }
    let mut out = Vec::new();
    out.extend((12 + headers.len() as u32 + payload.len() as u32 + 4).to_be_bytes());
    out.extend((headers.len() as u32).to_be_bytes());
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend([0; 4]);
    seal(&mut out);
    out
}

/// Writes the CRC at the end of a frame whose payload has changed.
pub fn seal(frame: &mut [u8]) {
    let end = frame.len() - 4;
    let crc = crc32fast::hash(&frame[..end]);
    frame[end..].copy_from_slice(&crc.to_be_bytes());
}

pub fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// `out` must have room for `base64_len` of the data.
pub fn base64(data: &[u8], out: &mut [u8]) {
    for (from, to) in data.chunks(3).zip(out.chunks_exact_mut(4)) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | *from.get(i).unwrap_or(&0) as usize);
        for (i, c) in to.iter_mut().enumerate() {
            *c = if i > from.len() { b'=' } else { BASE64[bits >> (18 - 6 * i) & 63] };
        }
    }
}
