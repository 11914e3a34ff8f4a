//! Journals that outlive the process, and with them a lock and a fence.
//!
//! A [`JournalStore`] is a folder, a bucket or memory. It holds one [`JournalLog`] for each thing
//! that is worked on, such as a listener rule: numbered records, each created once and never
//! changed. Whoever wants to work on it [takes](JournalLog::take) the log and gets a [`Lease`],
//! which is the [`Journal`](crate::engine::Journal) and the [`Fence`](crate::engine::Fence) of its
//! run.
//!
//! # Why one log is enough
//!
//! A record is created under the number after the newest one, and only one of two writers can
//! create it. So an append is a compare-and-swap: who appends has seen everything that was
//! appended before, and nobody else has appended since. Taking the lock is a record, keeping it
//! is a record, and so is each input of the machine; a holder that was overtaken learns it at its
//! next append, before the call that the record announces.
//!
//! | time | how long | why |
//! |---|---|---|
//! | [`HEARTBEAT`] | 20 s | the longest that a holder is silent |
//! | [`PERMIT`] | 25 s | after an append a change may begin for so long |
//! | [`EXPIRY`] | 60 s | a holder that is silent for so long may be taken over: more than a permit and the 10 s that a change may take, so none is under way |
//! | [`LAST_CALL`] | 10 s | who takes over from a process of the same machine that is seen to have ended needs no silence, and waits so long for what that process may have sent |
//! | [`FORCE_WAIT`] | 40 s | who takes a lock by force waits so long before anything else: a permit, 3 s until a request leaves, and the 10 s that it may take; a restore [does not wait](Take::ToRestore) |
//!
//! The taker times the silence on its own clock, and nobody compares clocks with anybody. The
//! holder times its permit on the boot-time clock, which goes on while a machine sleeps.
//!
//! # Requests
//!
//! Who holds no lease writes no record: a foreign one looks like a successor. A control from another terminal
//! or machine is therefore an object beside the log, `requests/LOG/RUN/KIND/NONCE.json`, and the answer to it
//! one beside that: [`JournalLog::ask`], [`Request`](crate::engine::Request). The holder lists them each second
//! while green gets traffic, gives each to its run as its own handle would, and answers once the record of the
//! control is kept. They are answered whatever becomes of them: other runs', old ones, unreadable ones.
//!
//! | | |
//! |---|---|
//! | lists fail, or are never answered | the run hears nothing and misses nothing else; they are asked again, at least each 15 s |
//! | the answer cannot be written | it is tried for 15 s; the request is carried out once all the same |
//! | the holder dies before it sees the request | who resumes takes it, if it is not older than 5 minutes |
//! | it dies after it wrote the control down | who resumes finds the nonce in the journal, and does not take it again |
//! | a request to another run, or one of 5 minutes ago | refused, with the reason |
//! | more than 1,000 at once | those that come first by name are heard: `abort` before all others |
//!
//! Requests are dated by the newest record of the log and judged by the clock of the holder, which wrote it:
//! [whose clock](crate::engine::Request#whose-clock).
//!
//! # Age
//!
//! A log has no length at which it becomes slow. Its end is found by asking what lies behind a number, in
//! leaps, from where its holder last said that it was. Every 16th record carries copies of the 15 before
//! it, so one call reads 16. After 160 records, or half an hour, a migration writes a
//! [snapshot](crate::migration::Entry::Snapshot): a resume reads the first record of its run and those from the
//! newest snapshot on, which takes less than 40 calls after a week as after an hour. A
//! [replay](crate::migration::Replayer) reads everything, as a stream, and compares each snapshot with
//! what it found itself.
//!
//! | after a week's bake: 81,154 records, 373 MB, 90 ms a call | calls | time | memory |
//! |---|---|---|---|
//! | taking it to restore | 5 (empty: 3) | 0.5 s (0.3 s) | |
//! | taking it over, after the wait | 7 | 0.5 s | |
//! | reading what a resume needs | 5 there, at most 30 | 0.1 s | 1.7 MB |
//! | replay as a stream | 5,083 | 29 s | 5 MB |
//! | the same, all records read first | 5,083 | 29 s | 1,604 MB |
//!
//! (`cargo bench -p bluegreen --features sim,store --bench long_journal`)
//!
//! What is old takes space alone. [`prune`](JournalLog::prune), and `bluegreen journal prune`, delete the
//! records of old runs; life-cycle rules of a bucket must not. The oldest record that stays carries the
//! checksum of the newest one that went. A holder that slept through a takeover and a pruning finds a free
//! number again: who was silent for [`EXPIRY`] believes an append only if no record stands behind it.
//!
//! # Versions
//!
//! [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts everything that a journal holds, of
//! migrations and of deployments: the form of its records, the machines' inputs and actions, and the
//! rules by which they decide. These rules are for good:
//!
//! | the journal is of | shown ([`events_of`](crate::migration::events_of), `monitor --replay`) | verdicts judged again ([`replay`](crate::migration::replay)) | resumed |
//! |---|---|---|---|
//! | this version, 4 | yes | yes, and changes compared | where it was |
//! | versions 2 and 3 | yes, as far as the records tell | yes | from a fresh observation |
//! | version 1 | yes, as far as the records tell | while its gates are as they were | from a fresh observation |
//! | a newer version | refused | refused | refused |
//!
//! A run of an older version is not replayed: the rules that it followed are gone. What its records hold
//! stays true: the plan, what was read back, what was sent and not answered, who asked for what. The run
//! continues with that under today's rules. It reads the split first. Then it watches the step that is
//! live, finishes a restore that was under way, or holds if a third party has changed the rule. Bake,
//! evidence and deadlines begin anew. It says so with the event
//! [`Reopened`](crate::migration::MigrationEvent::Reopened), and writes down where it stood, so that it
//! can be resumed again. A deployment is resumed by doing it again, and says the same; its
//! journal is replayed if it is of this version.
//!
//! A newer version is refused with both numbers and changes nothing: use the program that wrote the
//! journal, or a newer one. `rollback` asks nothing of the journal's past, so it puts everything back on
//! blue beside a journal that is newer, or cannot be read at all.
//!
//! # What remains
//!
//! The load balancer knows nothing of any of this. The fence is asked twice: when the call of a change
//! begins, and in the last hook before its request leaves the process, by a clock that runs while the
//! process is stopped. A process that is stopped between that hook and the socket, and continues later,
//! sends a request that is late. That takes a stop in less than a millisecond, and a connection that
//! outlives it: the time limit of the call mostly drops it before it leaves.
//!
//! # Restoring is open to all
//!
//! Exactly one controller raises green's share. Everyone may put blue back: a holder whose records are
//! not kept, one that has not noticed yet that another one took over, and a person who uses `rollback`
//! without any journal. That is safe, since all of them write the same, and since it is seen: a run on
//! the same rule takes it for a third party's restore, and raises no more.
//!
//! # Examples
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> bluegreen::Result<()> {
//! use bluegreen::{clock::SystemClock, store::{Holder, JournalStore, Take}};
//!
//! let log = JournalStore::memory().log("rule 7");
//! let lease = log.take(Holder::this_process("ann"), SystemClock, Take::IfFree).await?;
//! let refused = log.take(Holder::this_process("bob"), SystemClock, Take::IfFree).await;
//! assert!(refused.unwrap_err().message().contains("ann"));
//! lease.release().await?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

mod ask;
mod end;
mod envelope;
mod follow;
mod holder;
mod lease;
mod log;
mod prune;
mod read;
mod requests;
mod storage;
mod take;

pub use self::{
    ask::{Ask, Asked},
    follow::{Followed, Follower},
    holder::Holder,
    lease::Lease,
    log::{JournalLog, JournalStore, LeaseState},
    prune::{Keep, Pruned},
    storage::{Created, Numbers, RecordStorage},
    take::Take,
};

/// A holder appends at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long after the start of an append a change may begin.
pub const PERMIT: Duration = Duration::from_secs(25);
/// After so much silence a holder may be taken over.
pub const EXPIRY: Duration = Duration::from_secs(60);
/// How long who takes a lock by force waits before anything else.
pub const FORCE_WAIT: Duration = Duration::from_secs(40);
/// How long who takes over from a process that is known to have ended waits before anything else:
/// what it sent before its end has arrived by then.
pub const LAST_CALL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
