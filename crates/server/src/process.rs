//! What a process has used, from `/proc`.

use std::{fs, time::Duration};

/// Linux counts CPU time in ticks of 10 ms for user space, on every architecture we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// User plus system time since the process started, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Resident set size.
    pub(crate) resident_bytes: u64,
}

/// Usage of process `pid`; `None` where it is gone or this is not Linux.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage { cpu: cpu(&stat)?, resident_bytes: resident_bytes(&status)? })
}

/// CPU time of the calling thread; `None` where this is not Linux.
pub(crate) fn thread_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// UDP datagrams that the kernel dropped because their reader was too slow, all programs' of this network namespace.
pub(crate) fn udp_overflows() -> Option<u64> {
    let snmp = fs::read_to_string("/proc/net/snmp").ok()?;
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "RcvbufErrors")?;
    values.split(' ').nth(at)?.parse().ok()
}

/// Fields 14 and 15 of proc(5) `stat`. The command's name, field 2, may hold spaces and parentheses itself.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_busy_thread_has_used_time_and_overflows_are_counted() {
        let before = thread_cpu().expect("Linux tells");
        while thread_cpu().expect("Linux tells") == before {
            std::hint::black_box(fs::read_to_string("/proc/self/stat").ok());
        }
        assert!(udp_overflows().is_some());
    }

    #[test]
    fn this_process_has_memory() {
        assert!(usage(std::process::id()).is_some_and(|usage| usage.resident_bytes > 1 << 20));
    }
}
