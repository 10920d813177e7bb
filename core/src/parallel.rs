//! Work shared among threads. Every piece looks at the job first, so that what runs here can be
//! cancelled.
//!
//! The work is `dyn`: the machinery of threads is compiled once, and not for every voxel type of
//! every kernel.

use crate::{Job, Result};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Does `work` for the numbers below `count`.
///
/// # Errors
/// [`crate::Error::Cancelled`], or the first error of the work.
pub fn each(count: usize, job: &Job, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    (0..count).into_par_iter().with_max_len(1).try_for_each(|i| {
        job.check()?;
        work(i)
    })
}

/// What `work` makes of the numbers below `count`, in their order.
///
/// # Errors
/// As [`each`].
pub fn map<R: Send>(count: usize, job: &Job, work: &(dyn Fn(usize) -> Result<R> + Sync)) -> Result<Vec<R>> {
    let slots: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each(count, job, &|i| {
        let made = work(i)?;
        *slots[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(())
    })?;
    let made = slots.into_iter().map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(made.map(|m| m.expect("every number was worked on")).collect())
}

/// Gives each of the `items` to one thread, with its number.
///
/// # Errors
/// As [`each`].
pub fn items<I: ExactSizeIterator<Item: Send> + Send>(
    items: I,
    job: &Job,
    work: &(dyn Fn(usize, I::Item) -> Result<()> + Sync),
) -> Result<()> {
    let count = items.len();
    let items = Mutex::new(items.enumerate());
    each(count, job, &|_| {
        let (i, item) = {
            let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
            items.next().expect("as many as were counted")
        };
        work(i, item)
    })
}

/// Gives each piece of `size` values of `target` to one thread, with its number.
///
/// # Errors
/// As [`each`].
pub fn chunks<T: Send>(
    target: &mut [T],
    size: usize,
    job: &Job,
    work: &(dyn Fn(usize, &mut [T]) -> Result<()> + Sync),
) -> Result<()> {
    items(target.chunks_mut(size), job, work)
}

/// Gives each piece of `target` and the like piece of `source`, which is as long, to one thread, and
/// counts it as done.
///
/// # Errors
/// As [`each`].
pub fn zip<T: Send, S: Sync>(
    target: &mut [T],
    source: &[S],
    job: &Job,
    work: &(dyn Fn(&mut [T], &[S]) + Sync),
) -> Result<()> {
    const PIECE: usize = 1 << 18;
    chunks(target, PIECE, job, &|i, target| {
        work(target, &source[i * PIECE..][..target.len()]);
        job.advance(target.len() as u64);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn every_piece_is_worked_on_once_and_in_its_place() {
        let job = Job::silent();
        let mut target = vec![0usize; 1000];
        chunks(&mut target, 7, &job, &|i, chunk| {
            chunk.iter_mut().for_each(|c| *c += i + 1);
            Ok(())
        })
        .unwrap();
        assert!(target.iter().enumerate().all(|(at, v)| *v == at / 7 + 1));
        let squares = map(50, &job, &|i| Ok(i * i)).unwrap();
        assert!(squares.iter().enumerate().all(|(i, s)| *s == i * i));
        zip(&mut target, &[3u8; 1000], &job, &|t, s| {
            t.iter_mut().zip(s).for_each(|(t, s)| *t = usize::from(*s));
        })
        .unwrap();
        assert_eq!(target, vec![3; 1000]);
    }

    #[test]
    fn errors_and_cancelling_end_the_work() {
        let job = Job::silent();
        let failed = map(10, &job, &|i| if i == 7 { Err(Error::Usage("seven".into())) } else { Ok(()) });
        assert!(matches!(failed, Err(Error::Usage(_))));
        job.cancel();
        assert!(matches!(each(1, &job, &|_| Ok(())), Err(Error::Cancelled)));
    }
}
