//! Priority of work that takes longer than a moment.

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

/// Time after which a job that was in a hurry gives way too.
const HURRY: Duration = Duration::from_millis(20);
/// Steps by which it then gives way. The scheduler of Linux gives a thread that is in a hurry three times the processor
/// time of such a job, and no more: long work goes on beside a flood of short requests.
pub(super) const NICENESS: i32 = 5;
/// Steps to the lowest priority.
const LOWEST: i32 = 19;

/// Runs `work` on a thread that gives way by `niceness` steps to the threads that accept, check and answer requests, and
/// by [`NICENESS`] at least once it takes longer. Also gives the processor time that it took.
///
/// A thread of its own is needed, because without privileges a priority can only be lowered. It costs some 50 us.
pub(super) fn run<T: Send>(niceness: i32, work: impl FnOnce() -> T + Send) -> (T, Duration) {
    let mut work = Some(work);
    let runtime = Handle::try_current().ok();
    let done = thread::scope(|scope| {
        let (taken, runtime) = (&mut work, &runtime);
        let (running, states) = mpsc::channel();
        let thread = thread::Builder::new().name("long-work".to_owned()).spawn_scoped(scope, move || {
            let running = running;
            let own = current_thread();
            lower_priority(own, niceness);
            let _ = running.send(own);
            let _entered = runtime.as_ref().map(Handle::enter);
            taken.take().map(timed)
        });
        // The sender is dropped when the work is done, also by a panic.
        if niceness < NICENESS
            && let Ok(id) = states.recv()
            && states.recv_timeout(HURRY) == Err(RecvTimeoutError::Timeout)
        {
            lower_priority(id, NICENESS - niceness);
        }
        thread.ok().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match (done.flatten(), work) {
        (Some(result), _) => result,
        // No thread could be started.
        (None, Some(work)) => timed(work),
        (None, None) => unreachable!("work that was taken has a result"),
    }
}

/// Gives the calling thread the lowest priority, for work that nobody waits for.
pub(crate) fn lower_own_priority() {
    lower_priority(current_thread(), LOWEST);
}

/// Runs `work` here, and gives the processor time that it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = processor_time();
    let result = work();
    (result, processor_time().saturating_sub(began))
}

/// Processor time of the calling thread.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Neither is negative.
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_nanos(nanos.unwrap_or(0))
}

/// Elsewhere the time of the clock, which counts waiting too.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    static BEGAN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

/// Id of a thread for the system.
#[cfg(target_os = "linux")]
type ThreadId = rustix::thread::Pid;

#[cfg(target_os = "linux")]
fn current_thread() -> ThreadId {
    rustix::thread::gettid()
}

/// Lowers the priority of a thread by so many steps: on Linux a niceness belongs to a thread.
#[cfg(target_os = "linux")]
fn lower_priority(thread: ThreadId, steps: i32) {
    let before = rustix::process::getpriority_process(Some(thread)).unwrap_or_default();
    let _ = rustix::process::setpriority_process(Some(thread), (before + steps).min(LOWEST));
}

/// Elsewhere a niceness belongs to the process.
#[cfg(not(target_os = "linux"))]
type ThreadId = ();

#[cfg(not(target_os = "linux"))]
fn current_thread() {}

#[cfg(not(target_os = "linux"))]
fn lower_priority(_thread: ThreadId, _steps: i32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_gives_its_result_and_its_panics() {
        let numbers = [1, 2, 3];
        assert_eq!(run(5, || numbers.iter().sum::<i32>()).0, 6);
        let panic = std::panic::catch_unwind(|| run(5, || -> i32 { panic!("too hot") }));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"too hot"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_of_the_work_gives_way_and_waiting_is_not_counted() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(run(5, niceness).0, (before + 5).min(19));
        assert_eq!(niceness(), before);
        let ((), used) = run(5, || thread::sleep(Duration::from_millis(300)));
        assert!(used < Duration::from_millis(150), "{used:?}");
        let ((), used) = run(5, || spin(20));
        assert!(used > Duration::ZERO);
    }

    fn spin(milliseconds: u64) {
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(milliseconds) {}
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_job_in_a_hurry_gives_way_when_it_takes_long() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let job = || {
            let first = niceness();
            let began = std::time::Instant::now();
            while niceness() == first && began.elapsed() < Duration::from_secs(20) {
                spin(1);
            }
            (first, niceness())
        };
        assert_eq!(run(0, job).0, (before, (before + NICENESS).min(19)));
    }
}
