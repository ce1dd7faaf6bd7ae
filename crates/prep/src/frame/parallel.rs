//! Ranges of rows and columns processed by several threads.

use std::sync::{Mutex, PoisonError};

/// Fewest rows that are worth a thread of their own.
const MIN_ROWS_PER_THREAD: usize = 20_000;

/// Number of threads that are worth it for so many rows.
fn threads_for(rows: usize) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.min(rows / MIN_ROWS_PER_THREAD).max(1)
}

/// Calls `work(start, rows)` for consecutive ranges of `0..rows`, one per thread, and returns each range's start
/// and result in order.
pub(crate) fn map_ranges<T: Send>(rows: usize, work: impl Fn(usize, usize) -> T + Sync) -> Vec<(usize, T)> {
    let threads = threads_for(rows);
    if threads == 1 {
        return vec![(0, work(0, rows))];
    }
    let size = rows.div_ceil(threads);
    let work = &work;
    std::thread::scope(|scope| {
        let starts = (0..rows).step_by(size);
        let running: Vec<_> =
            starts.map(|start| (start, scope.spawn(move || work(start, size.min(rows - start))))).collect();
        // A panic in one range is a panic of the caller.
        let join = |range: std::thread::ScopedJoinHandle<'_, T>| {
            range.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(|(start, range)| (start, join(range))).collect()
    })
}

/// [`map_ranges`] for work that returns one item per row, concatenated.
pub(crate) fn map_rows<T: Send>(rows: usize, work: impl Fn(usize, usize) -> Vec<T> + Sync) -> Vec<T> {
    let mut ranges = map_ranges(rows, work).into_iter();
    let (_, mut all) = ranges.next().unwrap_or_default();
    ranges.for_each(|(_, items)| all.extend(items));
    all
}

/// Calls `work` for each item, such as a column of `rows` rows, and returns the results in order. A thread that is done
/// takes the next item.
pub(crate) fn map_items<I: Send, T: Send>(
    items: Vec<I>,
    rows: usize,
    work: impl Fn(I) -> T + Sync,
) -> Vec<T> {
    let threads = threads_for(rows).min(items.len());
    if threads <= 1 {
        return items.into_iter().map(work).collect();
    }
    let items = Mutex::new(items.into_iter().enumerate());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || std::iter::from_fn(next).map(|(at, item)| (at, work(item))).collect::<Vec<_>>();
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Calls `fill(start, part)` for consecutive parts of `out`, which has `width` values per row. `start` is the first row
/// of the part.
pub(crate) fn fill_rows<T: Send>(out: &mut [T], width: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() || width == 0 {
        return;
    }
    let rows = out.len() / width;
    let size = rows.div_ceil(threads_for(rows));
    let parts: Vec<_> = out.chunks_mut(size * width).enumerate().collect();
    map_items(parts, rows, |(index, part)| fill(index * size, part));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order_and_every_row_is_filled_once() {
        for rows in [0, 1, 7, 5 * MIN_ROWS_PER_THREAD + 3] {
            let squares = map_items((0..100_usize).collect(), rows, |item| item * item);
            assert_eq!(squares, (0..100).map(|item| item * item).collect::<Vec<_>>());
            let mut out = vec![usize::MAX; rows * 3];
            fill_rows(&mut out, 3, |start, part| {
                for (row, values) in part.chunks_exact_mut(3).enumerate() {
                    values.fill(start + row);
                }
            });
            assert!(out.iter().enumerate().all(|(at, value)| *value == at / 3), "{rows}");
        }
    }
}
