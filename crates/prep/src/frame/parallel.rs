//! Work on many rows by several threads.

/// Rows that are worth a thread.
const PART_ROWS: usize = 20_000;

/// What `work(start, rows)` makes of each part of `rows` rows, in their order.
pub(crate) fn parts<T: Send>(rows: usize, work: impl Fn(usize, usize) -> T + Sync) -> Vec<(usize, T)> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.min(rows / PART_ROWS).max(1);
    if threads == 1 {
        return vec![(0, work(0, rows))];
    }
    let size = rows.div_ceil(threads);
    let work = &work;
    std::thread::scope(|scope| {
        let starts = (0..rows).step_by(size);
        let running: Vec<_> =
            starts.map(|start| (start, scope.spawn(move || work(start, size.min(rows - start))))).collect();
        // A panic of a part is one of the whole.
        let join = |part: std::thread::ScopedJoinHandle<'_, T>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(|(start, part)| (start, join(part))).collect()
    })
}

/// The same for lists, joined.
pub(crate) fn in_parts<T: Send>(rows: usize, work: impl Fn(usize, usize) -> Vec<T> + Sync) -> Vec<T> {
    let mut made = parts(rows, work).into_iter();
    let (_, mut all) = made.next().unwrap_or_default();
    made.for_each(|(_, part)| all.extend(part));
    all
}
