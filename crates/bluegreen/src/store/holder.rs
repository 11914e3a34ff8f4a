//! [`Holder`]: the process that holds a log, and whether it still lives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The process that holds a log, and the person or job for which it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holder {
    /// A person or a job.
    pub name: String,
    /// The machine.
    pub host: String,
    /// The number of the process on the machine.
    pub process: u32,
    /// The identity that distinguishes this process from all others, if the system tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<Identity>,
    /// The program that gives controls to the run, if the run does not hear the requests beside its journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reached_by: Option<String>,
}

/// A process of one boot of one machine. Its number alone is not enough: the system gives the number to
/// another process some day, and in each container it means another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// This boot of the kernel.
    boot: String,
    /// The namespace in which the process has its number.
    processes: String,
    /// When it started, in the kernel's ticks after the boot.
    started: u64,
}

impl Holder {
    /// This process, which works for `name`.
    pub fn this_process(name: impl Into<String>) -> Self {
        let process = std::process::id();
        Self {
            name: name.into(),
            host: host_name(),
            process,
            identity: identity_of(process),
            reached_by: None,
        }
    }

    /// A run that no single process drives, such as a workflow: its lease is
    /// [carried](super::CarriedLease) from process to process. `host` is the engine that drives the run, and
    /// `reached_by` the command that gives controls to the run. Refusals name that command.
    ///
    /// # Examples
    ///
    /// ```
    /// use bluegreen::store::Holder;
    ///
    /// let holder = Holder::workflow("ann", "temporal", "bluegreen-temporal status");
    /// assert_eq!(holder.to_string(), "ann (a workflow of temporal)");
    /// ```
    pub fn workflow(
        name: impl Into<String>,
        host: impl Into<String>,
        reached_by: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            host: host.into(),
            process: 0,
            identity: None,
            reached_by: Some(reached_by.into()),
        }
    }

    /// Returns what a person can do who was kept out by this holder, if no process of `bluegreen` holds.
    pub(super) fn hint(&self) -> Option<String> {
        let by = self.reached_by.as_ref()?;
        Some(format!(
            "a workflow of {} drives that run: `{by}` tells its state and gives it controls; `rollback` puts \
             everything back at any time",
            self.host
        ))
    }

    /// Whether the process is known to have ended: a process of this boot of this machine that is not there
    /// any more. `false` if that cannot be known.
    pub(super) fn has_ended(&self) -> bool {
        let (Some(identity), Some(own)) = (&self.identity, identity_of(std::process::id())) else {
            return false;
        };
        let is_here = identity.boot == own.boot && identity.processes == own.processes;
        is_here && identity_of(self.process).as_ref() != Some(identity)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, host, .. } = self;
        match &self.reached_by {
            Some(_) => write!(f, "{name} (a workflow of {host})"),
            None => write!(f, "{name} (process {} on {host})", self.process),
        }
    }
}

/// From Linux's `/proc`: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
#[cfg(target_os = "linux")]
fn identity_of(process: u32) -> Option<Identity> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    /// A process that has ended, and whose parent has not read its exit status yet.
    const ZOMBIE: &str = "Z";
    /// The 22nd field, of which two stand before the parenthesis.
    const STARTED: usize = 19;
    if *fields.first()? == ZOMBIE {
        return None;
    }
    Some(Identity {
        boot: boot.trim().to_owned(),
        processes: processes.to_string_lossy().into_owned(),
        started: fields.get(STARTED)?.parse().ok()?,
    })
}

#[cfg(not(target_os = "linux"))]
fn identity_of(_process: u32) -> Option<Identity> {
    None
}

#[cfg(unix)]
fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn p06_only_a_process_of_this_machine_that_is_gone_has_ended() {
        let alive = Holder::this_process("ann");
        assert!(!alive.has_ended());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        let dead = Holder {
            process: child.id(),
            identity: identity_of(child.id()),
            ..alive.clone()
        };
        assert!(dead.identity.is_some());
        assert!(!dead.has_ended());
        child.kill().expect("it runs");
        child.wait().expect("it has ended");
        assert!(dead.has_ended());

        let elsewhere = |change: fn(&mut Identity)| {
            let mut other = dead.clone();
            change(other.identity.as_mut().expect("known"));
            other.has_ended()
        };
        assert!(!elsewhere(|identity| identity.boot.push('x')));
        assert!(!elsewhere(|identity| identity.processes.push('x')));
        // Its number belongs to another process by now.
        let mut reused = alive.clone();
        reused.identity.as_mut().expect("known").started += 1;
        assert!(reused.has_ended());
        let unknown = Holder {
            identity: None,
            ..dead
        };
        assert!(!unknown.has_ended());
    }
}
