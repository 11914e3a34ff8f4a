//! Journals that outlive the process, and with them a lock and a fence.
//!
//! A [`JournalStore`] is a folder, a bucket or memory. It holds one [`JournalLog`] for each rule or
//! service: numbered records, each created once and never changed. A controller that wants to change
//! the rule or service [takes](JournalLog::take) its log and gets a [`Lease`],
//! which is the [`Journal`](crate::engine::Journal) and the [`Fence`](crate::engine::Fence) of its
//! run.
//!
//! # Why one log is enough
//!
//! A record is created under the number after the newest record, and only one of two writers can
//! create it. So an append is a compare-and-swap: a controller that appends has seen every record
//! before, and no other controller has appended since. Taking the lock is a record, keeping it
//! is a record, and so is each input of the machine. A holder that was taken over learns it at its
//! next append, before the call that the record announces.
//!
//! | time | how long | why |
//! |---|---|---|
//! | [`HEARTBEAT`] | 20 s | the longest silence of a holder |
//! | [`PERMIT`] | 25 s | the time after an append in which a change may begin |
//! | [`EXPIRY`] | 60 s | the silence after which a holder may be taken over: more than a permit and the 10 s that a change may take, so no change is under way |
//! | [`LAST_CALL`] | 10 s | the wait of a controller that takes over from a process of the same machine that is seen to have ended: it needs no silence, but a last call of that process may still arrive |
//! | [`FORCE_WAIT`] | 40 s | the wait of a controller that takes a lock by force: a permit, 3 s until a request leaves, and the 10 s that it may take; a restore [does not wait](Take::ToRestore) |
//!
//! The taker times the silence on its own clock, and the clocks of two machines are never compared. The
//! holder times its permit on the boot-time clock, which also runs while a machine sleeps.
//!
//! # Requests
//!
//! Only the holder of the lease writes records: a record of another process looks like a successor's. A
//! control from another terminal or machine is therefore an object beside the log,
//! `requests/LOG/RUN/KIND/NONCE.json`, and its answer is another object: [`JournalLog::ask`],
//! [`Request`](crate::engine::Request). The holder lists the requests each second while green gets traffic,
//! gives each to its run as its own handle would, and answers once the record of the control is kept. Every
//! request is answered, also an old or unreadable request, or a request for another run.
//!
//! | event | effect |
//! |---|---|
//! | lists fail, or are never answered | the run hears no requests, and continues; lists are tried again, at least each 15 s |
//! | the answer cannot be written | it is tried for 15 s; the request is carried out once all the same |
//! | the holder dies before it sees the request | the next holder takes the request, if it is not older than 5 minutes |
//! | the holder dies after it wrote the control down | the next holder finds the nonce in the journal, and does not carry the request out again |
//! | a request to another run, or older than 5 minutes | refused, with the reason |
//! | more than 1,000 requests at once | those that come first by name are heard: `abort` before all others |
//!
//! Requests are dated by the newest record of the log, and judged by the clock of the holder, which wrote
//! that record: [whose clock](crate::engine::Request#whose-clock).
//!
//! # Age
//!
//! A log does not become slow with its length. Its end is found by asking, in leaps, whether records lie
//! behind a number, from the place that its holder last remembered. Every 16th record carries copies of the
//! 15 before it, so one call reads 16. After 160 records, or half an hour, a migration writes a
//! snapshot. A resume reads the first record of its run and the records
//! from the newest snapshot on: less than 40 calls, after an hour or after a week. A
//! [replay](crate::migration::Replayer) reads all records, as a stream, and compares each snapshot with
//! its own result.
//!
//! | after a week's bake: 81,154 records, 373 MB, 90 ms a call | calls | time | memory |
//! |---|---|---|---|
//! | taking it to restore | 5 (empty: 3) | 0.5 s (0.3 s) | |
//! | taking it over, after the wait | 7 | 0.5 s | |
//! | reading the records that a resume needs | 5 there, at most 30 | 0.1 s | 1.7 MB |
//! | replay as a stream | 5,083 | 29 s | 5 MB |
//! | the same, all records read first | 5,083 | 29 s | 1,604 MB |
//!
//! (`cargo bench -p bluegreen --features sim,store --bench long_journal`)
//!
//! Old records take only space. [`prune`](JournalLog::prune), and `bluegreen journal prune`, delete the
//! records of old runs; life-cycle rules of a bucket must not. The oldest record that stays carries the
//! checksum of the newest deleted record. A holder that slept through a takeover and a pruning finds its
//! number free again. So a holder that was silent for [`EXPIRY`] trusts an append only if no record stands
//! behind it.
//!
//! # Versions
//!
//! [`JOURNAL_VERSION`](crate::engine::JOURNAL_VERSION) counts everything that a journal holds, of
//! migrations and of deployments: the form of its records, the machines' inputs and actions, and the
//! rules by which they decide. This table holds for every later version:
//!
//! | the journal is of | shown ([`events_of`](crate::migration::events_of), `monitor --replay`) | verdicts judged again ([`replay`](crate::migration::replay)) | resumed |
//! |---|---|---|---|
//! | this version, 4 | yes | yes, and changes compared | where it stopped |
//! | versions 2 and 3 | yes, as far as the records tell | yes | from a fresh observation |
//! | version 1 | yes, as far as the records tell | while its gates are as they were | from a fresh observation |
//! | a newer version | refused | refused | refused |
//!
//! A run of an older version is not replayed: the rules that it followed are gone. The facts in its records
//! stay true: the plan, the states that were read back, the changes without an answer, the controls and
//! their operators. The run continues from these facts under today's rules. It reads the split first. Then
//! it watches the step that is live, finishes a restore that was under way, or holds if a third party has
//! changed the rule. Bake, evidence and deadlines begin anew. The run says so with the event
//! [`Reopened`](crate::migration::MigrationEvent::Reopened), and writes down how far it had come, so that it
//! can be resumed again. A deployment is resumed by doing it again, and says the same; its
//! journal is replayed if it is of this version.
//!
//! A newer version is refused with both numbers, and nothing is changed: use the program that wrote the
//! journal, or a newer one. `rollback` does not read earlier records, so it puts everything back on
//! blue even if the journal is newer, or cannot be read at all.
//!
//! # The risk that remains
//!
//! The load balancer knows nothing of leases. The fence is asked twice: when the call of a change
//! begins, and in the last hook before its request leaves the process, by a clock that runs while the
//! process is stopped. A process that is stopped between that hook and the socket, and continues later,
//! sends its request late. For that, the stop must fall into less than a millisecond, and the connection
//! must outlive the stop: in most cases the time limit of the call drops the request before it leaves.
//!
//! # Restoring is open to all
//!
//! Exactly one controller raises green's share. Everyone may put blue back: a holder whose records are
//! not kept, a holder that has not noticed yet that another controller took over, and a person who uses
//! `rollback` without any journal. That is safe, since all of them write the same, and since the write is
//! seen: a run on the same rule takes it for a third party's restore, and raises green's share no more.
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
#[cfg(feature = "spec")]
mod earlier;
mod end;
mod envelope;
mod follow;
mod holder;
#[cfg(feature = "spec")]
mod kept;
mod lease;
mod log;
mod prune;
mod read;
mod requests;
mod storage;
mod take;

#[cfg(feature = "spec")]
pub(crate) use self::kept::Kept;
pub use self::{
    ask::{Ask, Asked},
    follow::{Followed, Follower},
    holder::Holder,
    lease::{CarriedLease, Lease},
    log::{JournalLog, JournalStore, LeaseState},
    prune::{Keep, Pruned},
    storage::{Created, Numbers, RecordStorage},
    take::Take,
};

/// The interval of heartbeats: a holder appends at least this often.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long after the start of an append a change may begin.
pub const PERMIT: Duration = Duration::from_secs(25);
/// The silence after which a holder may be taken over.
pub const EXPIRY: Duration = Duration::from_secs(60);
/// How long a controller that takes a lock by force waits before anything else.
pub const FORCE_WAIT: Duration = Duration::from_secs(40);
/// How long a controller that takes over from a process that is known to have ended waits before anything
/// else: every call that the process sent before its end has arrived by then.
pub const LAST_CALL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
