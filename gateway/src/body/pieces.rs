//! The bytes of a body as they came, without a copy where that costs little memory.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::permit::Permit;

/// A piece of this size is kept as it came. It pins the buffer that it was read into, which has at
/// most twice its size; smaller pieces are joined, so that they do not pin a buffer each.
const MIN_KEPT_BYTES: usize = 64 << 10;

/// Pieces of one body, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Most bodies are one piece, for which nothing is allocated.
    first: Bytes,
    more: VecDeque<Bytes>,
}

/// Takes in pieces as they come.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    pieces: Pieces,
    /// Small pieces since the last one that was kept.
    small: BytesMut,
    count: usize,
}

impl Joiner {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes in the next piece. Room is made for what has come, not for what was announced: an
    /// announcement costs nothing.
    pub(super) fn push(&mut self, piece: Bytes) {
        let is_first = self.count == 0;
        self.count += piece.len();
        if is_first || piece.len() >= MIN_KEPT_BYTES {
            self.flush();
            self.pieces.push(piece);
        } else {
            self.small.extend_from_slice(&piece);
            if self.small.len() >= MIN_KEPT_BYTES {
                self.flush();
            }
        }
    }

    /// All of it; `permit`, which counts it, is given back with the last piece.
    pub(super) fn finish(mut self, permit: Permit) -> Pieces {
        self.flush();
        self.pieces.with_permit(permit)
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self {
            first: bytes,
            more: VecDeque::new(),
        }
    }
}

impl Pieces {
    /// Bytes in all.
    pub(super) fn len(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// All of it, if it is one piece.
    pub(super) fn single(&self) -> Option<&Bytes> {
        self.more.is_empty().then_some(&self.first)
    }

    /// Takes out the first piece.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let next = self.more.pop_front().unwrap_or_default();
        let first = std::mem::replace(&mut self.first, next);
        (!first.is_empty()).then_some(first)
    }

    /// Adds a piece, unless there is nothing in it.
    fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.more.push_back(piece);
        }
    }

    fn with_permit(self, permit: Permit) -> Self {
        if self.more.is_empty() {
            return permit.attach(self.first).into();
        }
        let share = permit.share();
        let attach = |piece| share.attach(piece);
        Self {
            first: attach(self.first),
            more: self.more.into_iter().map(attach).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    fn join(pieces: &[Bytes]) -> Pieces {
        let mut joiner = Joiner::default();
        for piece in pieces {
            joiner.push(piece.clone());
        }
        joiner.finish(Permit::new(&Arc::default()))
    }

    fn piece(fill: u8, length: usize) -> Bytes {
        Bytes::from(vec![fill; length])
    }

    #[test]
    fn large_pieces_and_the_first_one_are_not_copied_and_small_ones_are_joined() {
        let given = [
            piece(b'a', 10),
            piece(b'b', 20),
            piece(b'c', 30),
            piece(b'd', MIN_KEPT_BYTES),
            piece(b'e', 40),
        ];
        let pieces = join(&given);
        let lengths: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [10, 50, MIN_KEPT_BYTES, 40]);
        let is_same = |index: usize, given: &Bytes| {
            let kept = pieces.iter().nth(index).expect("a piece");
            kept.as_ptr() == given.as_ptr()
        };
        assert!(is_same(0, &given[0]) && is_same(2, &given[3]));
        let joined: Vec<_> = pieces.iter().flatten().copied().collect();
        assert_eq!(joined, given.concat());
        assert_eq!(pieces.len(), joined.len());
    }

    #[test]
    fn many_small_pieces_become_few() {
        let given = vec![piece(b'a', 100); 10_000];
        let pieces = join(&given);
        assert!(pieces.iter().count() <= 2 + 1_000_000 / MIN_KEPT_BYTES);
        assert_eq!(pieces.len(), 1_000_000);
    }

    #[test]
    fn a_permit_is_given_back_with_the_last_piece() {
        let total = Arc::new(AtomicU64::new(0));
        let mut permit = Permit::new(&total);
        assert!(permit.take(7, 10));
        let mut joiner = Joiner::default();
        joiner.push(piece(b'a', 10));
        joiner.push(piece(b'b', MIN_KEPT_BYTES));
        let mut pieces = joiner.finish(permit);
        let first = pieces.pop().expect("a piece");
        let second = pieces.pop().expect("a piece");
        assert!(pieces.pop().is_none() && pieces.is_empty());
        drop((pieces, first));
        assert_eq!(total.load(Ordering::Relaxed), 7);
        drop(second);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
