//! The SSE scanner sees the same frames however a stream is cut, and never fails within bounds.

use anyray_wire::sse::{Piece, Scanner};

/// The data of each frame, lines set apart; and whether the stream stands between frames.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<Vec<u8>>>, bool) {
    let mut scanner = Scanner::default();
    let (mut frames, mut lines, mut line) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        scanner
            .push(piece, |piece| match piece {
                Piece::Data(bytes) => line.extend_from_slice(bytes),
                Piece::DataEnd => lines.push(std::mem::take(&mut line)),
                Piece::FrameEnd => frames.push(std::mem::take(&mut lines)),
            })
            .expect("inputs are far below the bounds");
    }
    (frames, scanner.is_between_frames())
}

/// Checks one input: its first byte says how long the pieces of the rest are.
///
/// # Panics
///
/// The claim of this module does not hold.
pub fn check(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let whole = frames(std::iter::once(stream));
    let cut = frames(stream.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, cut);
}
