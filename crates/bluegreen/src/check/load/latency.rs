//! [`Latencies`]: a histogram of latencies, each from the time at which its request was due.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The latencies of a test. Each is kept to three significant digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    /// In microseconds.
    histogram: Option<Histogram<u64>>,
}

/// An hour: longer than any time-out and the queue before it.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, micros(LONGEST), 3).ok(),
        }
    }

    /// Takes a latency. One of more than an hour counts as an hour.
    pub(crate) fn push(&mut self, latency: Duration) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros(latency.min(LONGEST)));
        }
    }

    /// The number of latencies.
    pub(crate) fn len(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency below which this share of the latencies lies, 0 to 1.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let histogram = self.histogram.as_ref();
        let found = histogram.map(|histogram| histogram.value_at_quantile(share));
        Duration::from_micros(found.unwrap_or_default())
    }

    /// The latency with this rank, counted from 1 for the lowest.
    pub(crate) fn of_rank(&self, rank: u64) -> Duration {
        let Some(histogram) = &self.histogram else {
            return Duration::ZERO;
        };
        let mut seen = 0;
        for bar in histogram.iter_recorded() {
            seen += bar.count_at_value();
            if seen >= rank {
                let value = histogram.highest_equivalent(bar.value_iterated_to());
                return Duration::from_micros(value);
            }
        }
        self.highest()
    }

    /// The highest latency.
    pub(crate) fn highest(&self) -> Duration {
        let highest = self.histogram.as_ref().map_or(0, Histogram::max);
        Duration::from_micros(highest)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_ranks_are_exact_to_three_digits() {
        let mut latencies = Latencies::new();
        for ms in 1..=1_000 {
            latencies.push(Duration::from_millis(ms));
        }
        assert_eq!(latencies.len(), 1_000);
        for (share, rank, wanted) in [(0.5, 500, 500.0), (0.99, 990, 990.0), (1.0, 1_000, 1_000.0)]
        {
            for got in [latencies.at(share), latencies.of_rank(rank)] {
                let ms = got.as_secs_f64() * 1_000.0;
                assert!((ms - wanted).abs() <= wanted / 1_000.0, "{share}: {ms}");
            }
        }
        latencies.push(Duration::from_secs(7_200));
        let highest = latencies.highest().as_secs();
        assert!((3_600..3_605).contains(&highest), "{highest}");
    }

    #[test]
    fn without_a_latency_all_is_zero() {
        let latencies = Latencies::new();
        assert_eq!((latencies.len(), latencies.at(0.99)), (0, Duration::ZERO));
        assert_eq!(latencies.of_rank(1), Duration::ZERO);
    }
}
