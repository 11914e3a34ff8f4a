//! [`Tally`]: counts what became of the requests, and the evidence against green.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{latency::Latencies, percentile::Percentile, schedule::Schedule};
use crate::health::RateAbove;

/// One request that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When the request was due, from the start.
    pub(crate) due: Duration,
    /// The time from then to the end of the answer, or to the failure.
    pub(crate) latency: Duration,
    /// Why the request failed, if it did: without values of the answer.
    pub(crate) failure: Option<String>,
}

/// The limits of a test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    pub(crate) max_error_rate: f64,
    pub(crate) max_latency: BTreeMap<Percentile, Duration>,
    pub(crate) confidence: f64,
}

/// The most kinds of failures that are told apart.
const MOST_KINDS: usize = 20;
const OTHERS: &str = "other failures";

/// The count of a test.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    limits: Limits,
    schedule: Schedule,
    pub(crate) latencies: Latencies,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    pub(crate) failures: BTreeMap<String, u64>,
    /// For each limit of latency, the requests that took longer.
    pub(crate) slow: Vec<u64>,
    evidence: Evidence,
}

/// The evidence that a rate is above its limit, request by request in the order in which they were due.
///
/// Failures may end before successes, and after them. So a second counts once all of its requests have ended:
/// in the order of their ends, the first requests could all be failures of a healthy service.
#[derive(Debug, Clone)]
struct Evidence {
    /// The first second that is open, and the seconds from there.
    first: u64,
    open: VecDeque<Second>,
    errors: RateAbove,
    slow: Vec<RateAbove>,
    found: Option<Excess>,
}

#[derive(Debug, Clone, Default)]
struct Second {
    ended: u64,
    failed: u64,
    slow: Vec<u64>,
}

/// A limit that green is above, as the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The error rate.
    Errors,
    /// The latency at the limit with this number.
    Slow(usize),
}

impl Tally {
    pub(crate) fn new(limits: Limits, schedule: Schedule) -> Self {
        let latencies = limits.max_latency.len();
        Self {
            limits,
            schedule,
            latencies: Latencies::new(),
            ended: 0,
            failed: 0,
            failures: BTreeMap::new(),
            slow: vec![0; latencies],
            evidence: Evidence {
                first: 0,
                open: VecDeque::new(),
                errors: RateAbove::new(),
                slow: vec![RateAbove::new(); latencies],
                found: None,
            },
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes a request that is over.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.ended += 1;
        self.latencies.push(sample.latency);
        let has_failed = sample.failure.is_some();
        if let Some(failure) = sample.failure {
            self.failed += 1;
            let is_known = self.failures.contains_key(&failure);
            let kind = match is_known || self.failures.len() < MOST_KINDS {
                true => failure,
                false => OTHERS.to_owned(),
            };
            *self.failures.entry(kind).or_default() += 1;
        }
        let is_slow = self.limits.max_latency.values();
        let is_slow: Vec<bool> = is_slow.map(|limit| sample.latency > *limit).collect();
        for (slow, is_slow) in self.slow.iter_mut().zip(&is_slow) {
            *slow += u64::from(*is_slow);
        }
        let latencies = self.slow.len();
        if let Some(second) = self.evidence.second(sample.due.as_secs(), latencies) {
            second.ended += 1;
            second.failed += u64::from(has_failed);
            for (slow, is_slow) in second.slow.iter_mut().zip(is_slow) {
                *slow += u64::from(is_slow);
            }
        }
        self.weigh();
    }

    /// Weighs the seconds of which all requests have ended.
    fn weigh(&mut self) {
        let needed = -(1.0 - self.limits.confidence).ln();
        let evidence = &mut self.evidence;
        while let Some(second) = evidence.open.front() {
            if second.ended < self.schedule.due_in(evidence.first) {
                return;
            }
            let Some(second) = evidence.open.pop_front() else {
                return;
            };
            evidence.first += 1;
            let limit = self.limits.max_error_rate;
            evidence
                .errors
                .push(second.ended, second.failed, limit, false);
            if evidence.errors.ln_value() >= needed {
                evidence.found.get_or_insert(Excess::Errors);
            }
            let limits = self.limits.max_latency.keys().zip(second.slow).enumerate();
            for (number, (percentile, slow)) in limits {
                let of_limit = &mut evidence.slow[number];
                of_limit.push(second.ended, slow, 1.0 - percentile.share(), false);
                if of_limit.ln_value() >= needed {
                    evidence.found.get_or_insert(Excess::Slow(number));
                }
            }
        }
    }

    /// The first limit that green is above, as the evidence says: wrongly in at most one of a hundred tests
    /// for each limit, at a confidence of 99 %, however often one looks.
    pub(crate) fn excess(&self) -> Option<Excess> {
        self.evidence.found
    }
}

impl Evidence {
    /// The second with this number, if it is open.
    fn second(&mut self, number: u64, latencies: usize) -> Option<&mut Second> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        while self.open.len() <= place {
            self.open.push_back(Second {
                slow: vec![0; latencies],
                ..Second::default()
            });
        }
        self.open.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tally(rate: f64, seconds: u64) -> Tally {
        let limits = Limits {
            max_error_rate: 0.05,
            max_latency: BTreeMap::from([(Percentile::P90, SECOND)]),
            confidence: 0.99,
        };
        let schedule = Schedule::new(rate, Duration::ZERO, Duration::from_secs(seconds));
        Tally::new(limits, schedule)
    }

    fn sample(number: u64, latency: Duration, failure: Option<&str>) -> Sample {
        let due = Schedule::new(20.0, Duration::ZERO, Duration::from_secs(600)).due(number);
        Sample {
            due,
            latency,
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn a_total_outage_is_seen_within_the_first_second() {
        let mut tally = tally(20.0, 60);
        for number in 0..20 {
            assert_eq!(tally.excess(), None, "before the second is over");
            tally.push(sample(number, SECOND / 10, Some("chat: status 500")));
        }
        assert_eq!(tally.excess(), Some(Excess::Errors));
        assert_eq!(tally.failures["chat: status 500"], 20);
    }

    /// One failure in 20 is within the limit, although it ends before all the good answers.
    #[test]
    fn failures_that_end_first_are_no_evidence_by_themselves() {
        let mut tally = tally(20.0, 60);
        for second in 0..60 {
            tally.push(sample(20 * second, SECOND / 1_000, Some("reset")));
        }
        assert_eq!(tally.excess(), None);
        for second in 0..60 {
            for number in 1..20 {
                tally.push(sample(20 * second + number, SECOND / 2, None));
            }
        }
        assert_eq!(tally.excess(), None);
        assert_eq!((tally.failed, tally.ended), (60, 1_200));
    }

    #[test]
    fn slow_answers_are_evidence_of_their_own() {
        let mut tally = tally(20.0, 60);
        for number in 0..200 {
            let latency = match number % 2 {
                0 => 2 * SECOND,
                _ => SECOND / 10,
            };
            tally.push(sample(number, latency, None));
        }
        assert_eq!(tally.excess(), Some(Excess::Slow(0)));
        assert_eq!((tally.slow[0], tally.failed), (100, 0));
    }

    #[test]
    fn kinds_of_failures_are_bounded() {
        let mut tally = tally(20.0, 60);
        for number in 0..100 {
            tally.push(sample(number, SECOND, Some(&format!("failure {number}"))));
        }
        assert_eq!(tally.failures.len(), MOST_KINDS + 1);
        assert_eq!(tally.failures[OTHERS], 100 - MOST_KINDS as u64);
    }
}
