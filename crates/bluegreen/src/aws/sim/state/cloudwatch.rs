//! What CloudWatch shows of the metrics of this world, and when it evaluates alarms over them.

use std::time::Duration;

use super::{alarm::Alarm, series::Series, world::World};

impl World {
    /// The statistic of a metric over the seconds `from..to` since the start, as CloudWatch shows it at `now`;
    /// `None` if there is no data point.
    pub(in crate::aws::sim) fn shown(
        &self,
        Series { metric, side }: Series,
        statistic: &str,
        (from, to): (i64, i64),
        now: Duration,
    ) -> Option<f64> {
        let shown = self.publication.visible(metric, from, to, now);
        let statistics = self.seconds.statistics(metric, side, from, shown);
        let value = statistics.and_then(|statistics| statistics.get(statistic));
        value.or_else(|| {
            let seconds = &self.seconds;
            seconds.distribution(metric, side, from, shown, statistic)
        })
    }

    /// When an alarm is evaluated next.
    pub(super) fn next_evaluation(&self) -> Option<Duration> {
        self.alarms.iter().filter_map(Alarm::next).min()
    }

    /// Evaluates the alarms that are due.
    pub(super) fn evaluate_alarms(&mut self, at: Duration) {
        if self.next_evaluation().is_none_or(|next| next > at) {
            return;
        }
        let range = self.alarms.iter().map(Alarm::range).max();
        // Alarms have watched before the start, too.
        let before = range
            .unwrap_or_default()
            .saturating_sub_unsigned(at.as_secs());
        self.remember(u64::try_from(before).unwrap_or_default());
        let mut alarms = std::mem::take(&mut self.alarms);
        for alarm in &mut alarms {
            if alarm.next().is_some_and(|next| next <= at) {
                alarm.evaluate(at, &|series, statistic, window| {
                    self.shown(series, statistic, window, at)
                });
            }
        }
        self.alarms = alarms;
    }
}
