//! Ranges of rows processed by several threads.

/// Fewest rows that are worth a thread of their own.
const MIN_ROWS_PER_THREAD: usize = 20_000;

/// Calls `work(start, rows)` for consecutive ranges of `0..rows`, one per thread, and returns each range's start
/// and result in order.
pub(crate) fn map_ranges<T: Send>(rows: usize, work: impl Fn(usize, usize) -> T + Sync) -> Vec<(usize, T)> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.min(rows / MIN_ROWS_PER_THREAD).max(1);
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
