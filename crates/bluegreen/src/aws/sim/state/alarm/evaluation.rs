//! How CloudWatch decides about an alarm's state, from the data points of its evaluation range
//! ([CloudWatch guide](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html)).
//! Pure.

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws::sim) enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

/// How an alarm takes data points that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// `missing`, as AWS calls it.
    Unknown,
    Ignore,
    Breaching,
    NotBreaching,
}

/// How many data points an alarm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needed {
    /// Evaluation periods: N.
    pub(super) periods: usize,
    /// Data points to alarm: M.
    pub(super) to_alarm: usize,
    pub(super) missing: Missing,
}

impl Needed {
    /// Returns the state after these data points, oldest first: whether each breaches the threshold, if
    /// there is one. `before` is the state before.
    pub(super) fn state(self, points: &[Option<bool>], before: AlarmState) -> AlarmState {
        let known: Vec<bool> = points.iter().copied().flatten().collect();
        if known.len() >= self.periods {
            let newest = &known[known.len() - self.periods..];
            return self.alarms_at(breaching(newest));
        }
        let filled = self.periods - known.len();
        match self.missing {
            Missing::Breaching => self.alarms_at(breaching(&known) + filled),
            Missing::NotBreaching => self.alarms_at(breaching(&known)),
            Missing::Unknown | Missing::Ignore => self.without_filling(points, &known, before),
        }
    }

    fn alarms_at(self, breaching: usize) -> AlarmState {
        match breaching >= self.to_alarm {
            true => AlarmState::Alarm,
            false => AlarmState::Ok,
        }
    }

    /// Decides on fewer data points than the alarm asks for.
    fn without_filling(
        self,
        points: &[Option<bool>],
        known: &[bool],
        before: AlarmState,
    ) -> AlarmState {
        let is_ignored = self.missing == Missing::Ignore;
        if known.is_empty() {
            return match is_ignored {
                true => before,
                false => AlarmState::InsufficientData,
            };
        }
        let oldest = points.iter().rev().rposition(Option::is_some);
        let age = oldest.map_or(0, |place| place + 1);
        // What AWS calls a premature alarm: nothing speaks for the service, and the oldest data point is old
        // enough for all that should have followed it.
        let is_premature = known.iter().all(|breaches| *breaches) && age >= self.to_alarm;
        match is_premature && breaching(known) < self.to_alarm {
            true if is_ignored => before,
            true => AlarmState::Alarm,
            false => self.alarms_at(breaching(known)),
        }
    }
}

fn breaching(points: &[bool]) -> usize {
    points.iter().filter(|breaches| **breaches).count()
}

#[cfg(test)]
mod tests {
    use super::{AlarmState::*, *};

    /// The guide's notation, newest last: `0` does not breach, `X` does, `-` is missing.
    fn points(text: &str) -> Vec<Option<bool>> {
        let marks = text.split(' ');
        marks
            .map(|mark| match mark {
                "0" => Some(false),
                "X" => Some(true),
                _ => None,
            })
            .collect()
    }

    /// The cell of a table that says "retain current state".
    const RETAIN: Option<AlarmState> = None;

    /// Each row: data points, then the states if missing data is missing, ignored, breaching, not breaching.
    type Row = (&'static str, [Option<AlarmState>; 4]);

    fn check(to_alarm: usize, rows: &[Row]) {
        let ways = [
            Missing::Unknown,
            Missing::Ignore,
            Missing::Breaching,
            Missing::NotBreaching,
        ];
        for (text, states) in rows {
            for (missing, state) in ways.into_iter().zip(states) {
                let needed = Needed {
                    periods: 3,
                    to_alarm,
                    missing,
                };
                for before in [Ok, Alarm, InsufficientData] {
                    let expected = state.unwrap_or(before);
                    let found = needed.state(&points(text), before);
                    assert_eq!(found, expected, "{text}, {missing:?}, from {before:?}");
                }
            }
        }
    }

    #[test]
    fn the_table_of_the_guide_for_three_of_three() {
        let all = |state| [Some(state); 4];
        check(
            3,
            &[
                ("0 - X - X", all(Ok)),
                ("0 - - - -", all(Ok)),
                (
                    "- - - - -",
                    [Some(InsufficientData), RETAIN, Some(Alarm), Some(Ok)],
                ),
                ("0 X X - X", all(Alarm)),
                ("- - X - -", [Some(Alarm), RETAIN, Some(Alarm), Some(Ok)]),
            ],
        );
    }

    #[test]
    fn the_table_of_the_guide_for_two_of_three() {
        let all = |state| [Some(state); 4];
        let breaching = [Some(Ok), Some(Ok), Some(Alarm), Some(Ok)];
        check(
            2,
            &[
                ("0 - X - X", all(Alarm)),
                ("0 0 X 0 X", all(Alarm)),
                ("0 - X - -", breaching),
                ("- - - - 0", breaching),
                ("- - - X -", [Some(Alarm), RETAIN, Some(Alarm), Some(Ok)]),
            ],
        );
    }

    /// The guide's words: with one breaching data point that is newer, there is no alarm yet.
    #[test]
    fn a_young_data_point_raises_no_premature_alarm() {
        let needed = Needed {
            periods: 3,
            to_alarm: 3,
            missing: Missing::Unknown,
        };
        for young in ["- - - - X", "- - - X -"] {
            assert_ne!(needed.state(&points(young), Ok), Alarm, "{young}");
        }
        for sound in ["- - - X 0", "- - X - 0"] {
            assert_eq!(needed.state(&points(sound), Ok), Ok, "{sound}");
        }
    }
}
