//! The budget of memory of a query: operators that can spill share three fifths of it, so that what merges their spilled
//! rows, and can't spill, finds room.

use datafusion::common::{Result, resources_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are shared out.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// Operators that can spill.
    spillers: usize,
    spillable: usize,
    fixed: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Mutex::default() }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "budget of {} bytes", self.limit)
    }
}

impl MemoryPool for Budget {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.used().spillers += usize::from(consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.used().spillers -= usize::from(consumer.can_spill());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut used = self.used();
        if reservation.consumer().can_spill() {
            used.spillable += additional;
        } else {
            used.fixed += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut used = self.used();
        if reservation.consumer().can_spill() {
            used.spillable -= shrink;
        } else {
            used.fixed -= shrink;
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut used = self.used();
        let free = self.limit.saturating_sub(used.spillable + used.fixed);
        let consumer = reservation.consumer();
        let may = if consumer.can_spill() {
            let shared = (self.limit / 5 * 3).min(self.limit.saturating_sub(used.fixed));
            let share = shared / used.spillers.max(1);
            share.saturating_sub(reservation.size()).min(free)
        } else {
            free
        };
        if additional > may {
            let name = consumer.name();
            return Err(resources_datafusion_err!(
                "{name} needs {additional} bytes more than the {may} that are left"
            ));
        }
        if consumer.can_spill() {
            used.spillable += additional;
        } else {
            used.fixed += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let used = self.used();
        used.spillable + used.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
