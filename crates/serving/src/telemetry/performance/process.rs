//! Use of the machine by this process, as Linux tells it in `/proc`.

use cupola_monitor::service::ProcessUse;

/// Ticks of `/proc/self/stat` in a second: `USER_HZ`, which Linux keeps at 100 for programs.
const TICKS: f64 = 100.0;
/// Places of user and system time in `/proc/self/stat`, counted after the name of the program.
const TIMES: [usize; 2] = [11, 12];

/// Meter of the processor time since its last reading.
pub(super) struct ProcessMeter {
    /// Seconds of processor time at the last reading; `None` where the system does not tell.
    seconds: Option<f64>,
}

impl ProcessMeter {
    /// Meter that begins now.
    pub fn start() -> Self {
        Self { seconds: processor_seconds() }
    }

    /// Use over the `length` seconds since the last reading, without that of a GPU.
    pub fn read(&mut self, length: f64) -> ProcessUse {
        let now = processor_seconds();
        let before = std::mem::replace(&mut self.seconds, now);
        let busy = before.zip(now).map(|(before, now)| (now - before).max(0.0));
        ProcessUse {
            cpu: busy.filter(|_| length > 0.0).map(|busy| busy / length),
            memory_bytes: resident_bytes(),
            ..ProcessUse::default()
        }
    }
}

fn processor_seconds() -> Option<f64> {
    seconds_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Seconds of processor time in the text of `/proc/self/stat`. The name of the program, in parentheses, may have spaces.
fn seconds_of(stat: &str) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = TIMES.iter().map(|at| fields.get(*at)?.parse::<u64>().ok());
    Some(ticks.sum::<Option<u64>>()? as f64 / TICKS)
}

fn resident_bytes() -> Option<u64> {
    kilobytes_of(&std::fs::read_to_string("/proc/self/status").ok()?).map(|kilobytes| kilobytes * 1024)
}

fn kilobytes_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel_are_read() {
        // proc_pid_stat(5): utime is field 14, stime field 15.
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(seconds_of(stat), Some(3.0));
        assert_eq!(seconds_of("7 a S"), None);
        assert_eq!(kilobytes_of("Name:\ta\nVmRSS:\t   123 kB\n"), Some(123));
        assert_eq!(kilobytes_of("Name:\ta\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_time() {
        let mut meter = ProcessMeter::start();
        let began = std::time::Instant::now();
        let mut sum = 0u64;
        while began.elapsed().as_millis() < 100 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let found = meter.read(0.1);
        assert!(found.cpu.unwrap() >= 0.0 && found.memory_bytes.unwrap() > 1 << 20);
    }
}
