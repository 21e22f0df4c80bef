//! What a process costs, as the kernel counts it.

use std::time::Duration;

use anyhow::Context;

/// One tick of the kernel's accounting, as every Linux of today has it.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In its own code.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// Of a running process.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn of(pid: u32) -> anyhow::Result<CpuTime> {
        let path = format!("/proc/{pid}/stat");
        let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = after_name.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u32>().ok());
        match (ticks(), ticks()) {
            (Some(user), Some(system)) => Ok(CpuTime {
                user: TICK * user,
                system: TICK * system,
            }),
            _ => anyhow::bail!("{path} is not understood: {stat}"),
        }
    }

    /// Of several processes together; one that is gone counts for nothing.
    pub fn of_all(pids: &[u32]) -> CpuTime {
        let times = pids.iter().filter_map(|pid| CpuTime::of(*pid).ok());
        times.fold(CpuTime::default(), |sum, time| CpuTime {
            user: sum.user + time.user,
            system: sum.system + time.system,
        })
    }

    /// What came since an earlier look.
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// Both together, in thousandths of one core over `wall`.
    pub fn per_mille_of_core(self, wall: Duration) -> u64 {
        let used = (self.user + self.system).as_micros() * 1_000;
        u64::try_from(used / wall.as_micros().max(1)).unwrap_or(u64::MAX)
    }
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident_kib: u64,
    /// Resident at the most so far.
    pub peak_kib: u64,
    /// Its threads.
    pub thread_count: u64,
}

impl Memory {
    /// Of a running process.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn of(pid: u32) -> anyhow::Result<Memory> {
        let path = format!("/proc/{pid}/status");
        let status =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let number = |name: &str| {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .with_context(|| format!("{path} has no {name}"))
        };
        Ok(Memory {
            resident_kib: number("VmRSS:")?,
            peak_kib: number("VmHWM:")?,
            thread_count: number("Threads:")?,
        })
    }
}

/// How busy the computer was in the last one, five and fifteen minutes.
///
/// # Errors
///
/// The kernel does not say.
pub fn load() -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg").context("cannot read the load")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(", "))
}
