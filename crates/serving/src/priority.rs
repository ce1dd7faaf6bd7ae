//! Priority of work that takes longer than a moment.

use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::Handle;

/// Steps by which long work gives way. The scheduler of Linux then gives a thread that is in a hurry three times the
/// processor time of one that is not, and no more: long work goes on beside a flood of short requests.
const NICENESS: i32 = 5;

/// Runs `work` on a thread that gives way to the threads that accept, check and answer requests.
///
/// A thread of its own is needed, because without privileges a priority can only be lowered. It costs some 50 us.
pub fn at_low_priority<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let runtime = Handle::try_current().ok();
    let done = thread::scope(|scope| {
        let (taken, runtime) = (&mut work, &runtime);
        let thread = thread::Builder::new().name("long-work".to_owned()).spawn_scoped(scope, move || {
            lower_priority();
            let _entered = runtime.as_ref().map(Handle::enter);
            taken.take().map(|work| work())
        });
        thread.ok().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match (done.flatten(), work) {
        (Some(result), _) => result,
        // No thread could be started.
        (None, Some(work)) => work(),
        (None, None) => unreachable!("work that was taken has a result"),
    }
}

/// Lowers the priority of the calling thread: on Linux a niceness belongs to a thread.
#[cfg(target_os = "linux")]
fn lower_priority() {
    let niceness = rustix::process::getpriority_process(None).unwrap_or_default();
    let _ = rustix::process::setpriority_process(None, (niceness + NICENESS).min(19));
}

/// Elsewhere a niceness belongs to the process.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_gives_its_result_and_its_panics() {
        let numbers = [1, 2, 3];
        assert_eq!(at_low_priority(|| numbers.iter().sum::<i32>()), 6);
        let panic = std::panic::catch_unwind(|| at_low_priority(|| -> i32 { panic!("too hot") }));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"too hot"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_of_the_work_gives_way() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(at_low_priority(niceness), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }
}
