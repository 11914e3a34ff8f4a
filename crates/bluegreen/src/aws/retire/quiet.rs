//! The proof that blue gets no requests: settled minutes without one.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    aws::{Aws, cloudwatch::AlbMetrics},
    clock::{later, sooner},
    error::{Error, ErrorKind, Result},
    health::{Bucket, MetricSource as _, Settler, Window},
    migration::QUIET_MINUTES as MINUTES,
};

/// How far back minutes are looked for, if green has few requests.
const WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// The interval of reads while minutes settle.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// How long the proof may take: the minutes themselves, until the last of them settles, and as long again.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// What settled minutes say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// Enough minutes without a request on blue; the newest of them ends then.
    Quiet { until: Timestamp },
    /// Blue got requests in the minute that begins then.
    Busy { at: Timestamp, requests: u64 },
    /// So many minutes count so far.
    NotYet { counted: usize },
}

/// Judges settled minutes, oldest first. A minute counts if green's requests are there: without them an absent
/// count of blue says nothing.
fn judge(minutes: &[Bucket]) -> Seen {
    let mut counted = 0;
    for minute in minutes.iter().rev() {
        if let Some(requests) = minute.sides.blue.requests.filter(|requests| *requests > 0) {
            let at = minute.start;
            return Seen::Busy { at, requests };
        }
        let is_published = minute
            .sides
            .green
            .requests
            .is_some_and(|requests| requests > 0);
        if is_published && minute.sides.blue.requests == Some(0) {
            counted += 1;
        }
        if counted == MINUTES {
            let until = minutes
                .last()
                .map_or(minute.start, |last| later(last.start, MINUTE));
            return Seen::Quiet { until };
        }
    }
    Seen::NotYet { counted }
}

/// The start of the oldest minute to look at: it begins after `since`, and not too long ago.
fn first_minute(since: Timestamp, now: Timestamp) -> Timestamp {
    let whole = later(since, MINUTE - Duration::from_nanos(1));
    whole.max(sooner(now, WITHIN))
}

fn busy(at: Timestamp, requests: u64) -> Error {
    let message = format!("blue got {requests} requests in the minute from {at:.0}");
    let hint = "find out who asks blue: a client with an old address, a sticky session, another rule; then \
        try again a quarter of an hour later";
    Error::new(ErrorKind::Refused, message).with_hint(hint)
}

fn unproven(counted: usize) -> Error {
    let message = format!(
        "only {counted} of {MINUTES} settled minutes are known to be without a request on blue: a minute \
         counts only if green's requests are there too"
    );
    let hint = "send requests through the rule (synthetic requests count), then try again";
    Error::new(ErrorKind::Refused, message).with_hint(hint)
}

/// Waits until enough settled minutes since `since` are without a request on blue. Returns the end of the
/// newest of them.
pub(super) async fn prove(
    aws: &Aws,
    metrics: &AlbMetrics,
    since: Timestamp,
    told: &(dyn Fn(&str) + Send + Sync),
) -> Result<Timestamp> {
    let from = first_minute(since, aws.time_there());
    let mut settler = Settler::new(from, MINUTE);
    let mut minutes: Vec<Bucket> = Vec::new();
    let begun = aws.clock().uptime();
    let mut last = None;
    loop {
        let at = aws.time_there();
        if let Some(window) = settler.window(at) {
            let read = metrics.read(&window).await?;
            minutes.extend(settler.take(at, &window, read)?);
        }
        let counted = match judge(&minutes) {
            Seen::Quiet { until } => return Ok(until),
            Seen::Busy { at, requests } => return Err(busy(at, requests)),
            Seen::NotYet { counted } => counted,
        };
        let looked_far = later(since, WITHIN) <= at;
        if looked_far || aws.clock().uptime().saturating_sub(begun) >= PATIENCE {
            return Err(unproven(counted));
        }
        if last != Some(counted) {
            told(&format!(
                "{counted} of {MINUTES} settled minutes without a request on blue"
            ));
            last = Some(counted);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Returns how many minutes count already, by one read; for a look that must not wait.
pub(super) async fn glance(aws: &Aws, metrics: &AlbMetrics, since: Timestamp) -> Result<usize> {
    let at = aws.time_there();
    let from = first_minute(since, at);
    let mut settler = Settler::new(from, MINUTE);
    let Some(window) = settler.window(at) else {
        return Ok(0);
    };
    let read = metrics.read(&window).await?;
    match judge(&settler.take(at, &window, read)?) {
        Seen::Quiet { .. } => Ok(MINUTES),
        Seen::Busy { at, requests } => Err(busy(at, requests)),
        Seen::NotYet { counted } => Ok(counted),
    }
}

/// Refuses if blue got any request since the proof, as far as CloudWatch shows by now.
pub(super) async fn still(aws: &Aws, metrics: &AlbMetrics, proven: Timestamp) -> Result<()> {
    let to = aws.time_there();
    if later(proven, MINUTE) > to {
        return Ok(());
    }
    let read = metrics.read(&Window::new(proven, to)).await?;
    let asked = |minute: &Bucket| {
        let requests = minute
            .sides
            .blue
            .requests
            .filter(|requests| *requests > 0)?;
        Some(busy(minute.start, requests))
    };
    read.iter().find_map(asked).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{health::Counts, traffic::Sides};

    fn minutes(all: &[(Option<u64>, Option<u64>)]) -> Vec<Bucket> {
        let counts = |requests: Option<u64>| requests.map(Counts::of_requests).unwrap_or_default();
        let bucket = |(number, (blue, green)): (usize, &(Option<u64>, Option<u64>))| {
            let start = Timestamp::from_second(i64::try_from(number * 60).unwrap()).unwrap();
            Bucket::new(start, MINUTE, Sides::new(counts(*blue), counts(*green)))
        };
        all.iter().enumerate().map(bucket).collect()
    }

    #[test]
    fn a_minute_counts_only_if_greens_requests_are_there() {
        let quiet = (Some(0), Some(60));
        assert_eq!(judge(&[]), Seen::NotYet { counted: 0 });
        let all = vec![quiet; MINUTES];
        let until = Timestamp::from_second(15 * 60).unwrap();
        assert_eq!(judge(&minutes(&all)), Seen::Quiet { until });
        assert_eq!(judge(&minutes(&all[1..])), Seen::NotYet { counted: 14 });
        for unknown in [
            (None, None),
            (None, Some(60)),
            (Some(0), None),
            (Some(0), Some(0)),
        ] {
            let mut all = all.clone();
            all[7] = unknown;
            let said = judge(&minutes(&all));
            assert_eq!(said, Seen::NotYet { counted: 14 }, "{unknown:?}");
            all.insert(0, quiet);
            assert!(matches!(judge(&minutes(&all)), Seen::Quiet { .. }));
        }
    }

    #[test]
    fn one_request_on_blue_in_these_minutes_stops_it() {
        let mut all = vec![(Some(0), Some(60)); MINUTES];
        all[0] = (Some(1), Some(60));
        let at = Timestamp::from_second(0).unwrap();
        assert_eq!(judge(&minutes(&all)), Seen::Busy { at, requests: 1 });
        // Longer ago than the minutes that count.
        all.push((Some(0), Some(60)));
        assert!(matches!(judge(&minutes(&all)), Seen::Quiet { .. }));
        // Not published for green, but for blue.
        all.push((Some(3), None));
        assert!(matches!(
            judge(&minutes(&all)),
            Seen::Busy { requests: 3, .. }
        ));
    }
}
