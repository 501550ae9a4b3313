//! Permits: shares of a bounded count, such as requests at once or bytes of bodies in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use crate::error::GatewayError;

/// A share of a bounded count, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    total: Arc<AtomicU64>,
    mine: u64,
}

impl Permit {
    /// Nothing yet of this count.
    pub fn new(total: &Arc<AtomicU64>) -> Self {
        Self {
            total: Arc::clone(total),
            mine: 0,
        }
    }

    /// Takes more, if the total stays within `limit`; returns whether it did.
    pub fn take(&mut self, amount: u64, limit: u64) -> bool {
        let before = self.total.fetch_add(amount, Ordering::Relaxed);
        if before.saturating_add(amount) > limit {
            self.total.fetch_sub(amount, Ordering::Relaxed);
            return false;
        }
        self.mine += amount;
        true
    }

    /// The same bytes, which give the permit back when the last reference to them is dropped.
    pub fn attach(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Permitted {
            bytes,
            _permit: self,
        })
    }

    /// The same permit, for several pieces of bytes.
    pub fn share(self) -> SharedPermit {
        SharedPermit(Arc::new(self))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.total.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

/// A permit that is given back when the last of several pieces is dropped.
#[derive(Clone, Debug)]
pub struct SharedPermit(Arc<Permit>);

impl SharedPermit {
    /// The same bytes, which hold on to the permit.
    pub fn attach(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Permitted {
            bytes,
            _permit: Arc::clone(&self.0),
        })
    }
}

struct Permitted<P> {
    bytes: Bytes,
    _permit: P,
}

impl<P> AsRef<[u8]> for Permitted<P> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The memory that all request bodies together may take.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Bytes in use.
    pub used: Arc<AtomicU64>,
    /// Most bytes in use at once.
    pub max_bytes: u64,
}

impl Budget {
    /// A permit for no bytes yet.
    pub fn permit(&self) -> Permit {
        Permit::new(&self.used)
    }

    /// Adds bytes to a permit of this budget.
    ///
    /// # Errors
    /// [`GatewayError::OutOfBodyBudget`].
    pub fn take(&self, permit: &mut Permit, bytes: usize) -> Result<(), GatewayError> {
        permit
            .take(bytes as u64, self.max_bytes)
            .then_some(())
            .ok_or(GatewayError::OutOfBodyBudget)
    }

    /// Counts bytes as in use for as long as they live.
    ///
    /// # Errors
    /// [`GatewayError::OutOfBodyBudget`].
    pub fn hold(&self, bytes: Bytes) -> Result<Bytes, GatewayError> {
        let mut permit = self.permit();
        self.take(&mut permit, bytes.len())?;
        Ok(permit.attach(bytes))
    }
}
