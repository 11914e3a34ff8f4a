//! The truth of a simulated migration, and the public scenarios.

use serde::Deserialize;

/// The truth of one migration: how many requests come, and how green compares with blue.
///
/// This is also the form of a scenario in a file: every field but the name may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Its name in tables.
    pub(crate) name: String,
    /// Requests a minute, both sides together.
    pub(crate) rate: f64,
    /// The fraction of blue's requests that fail.
    pub(crate) base: f64,
    /// Whether green does harm and should be stopped; otherwise it should be promoted.
    pub(crate) is_bad: bool,
    /// Green's error rate as a multiple of blue's.
    pub(crate) ratio: f64,
    /// The least error rate of green, for any error rate of blue.
    pub(crate) floor: f64,
    /// The fraction of requests that green fails in addition, in its first minute only.
    pub(crate) cold_start: f64,
    /// The fraction that green fails in addition with each minute, from the eighth on.
    pub(crate) leak: f64,
    /// The fraction that green fails in addition, once it has half of the traffic.
    pub(crate) load: f64,
    /// Green's median latency as a multiple of blue's.
    pub(crate) latency: f64,
    /// The error rate of both sides in minutes 4 to 6.
    pub(crate) common_outage: Option<f64>,
    /// The multiple to which both sides' error rates rise over the first 30 minutes.
    pub(crate) drift: f64,
    /// Whether green publishes no metrics at all.
    pub(crate) is_silent: bool,
    /// The coefficient of variation of both sides' common error rate from minute to minute.
    pub(crate) common_cv: f64,
    /// The part of that noise that stays from one minute to the next (AR(1)).
    pub(crate) common_rho: f64,
    /// The coefficient of variation of the noise that each side has alone, from minute to minute: it
    /// breaks the assumption of the theorem.
    pub(crate) own_cv: f64,
    /// Whether blue's past had none of that noise.
    pub(crate) quiet_past: bool,
    /// The fraction of requests that green fails in addition, at the whole traffic.
    pub(crate) extra: f64,
    /// The power of green's share by which `extra` grows: 0 is the same at every share.
    pub(crate) share_power: f64,
    /// The share from which on green does harm at all: 1 is harm only at 100 %.
    pub(crate) from_share: f64,
    /// The minutes between which harm begins, drawn for each run; `None` is from the start.
    pub(crate) onset: Option<[f64; 2]>,
    /// The share at which the minutes of `onset` begin to count: 0 is the start of the run.
    pub(crate) onset_share: f64,
    /// Bursts of a fault that both sides share.
    pub(crate) bursts: Option<Bursts>,
    /// How many minutes later than blue green sees what both share.
    pub(crate) lag: f64,
    /// Green's warm-up after its first request.
    pub(crate) warm_up: Option<WarmUp>,
    /// The warm-up that the plan declares, in minutes.
    pub(crate) declared_warm_up: f64,
    /// Minutes and factors between which the traffic moves in straight lines.
    pub(crate) traffic: Vec<[f64; 2]>,
    /// The minutes in which both error rates reach `drift`.
    pub(crate) drift_minutes: f64,
}

/// Bursts of a fault that both sides share, before the run and in it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bursts {
    /// The error rate in a burst.
    pub(crate) rate: f64,
    /// How many minutes a burst lasts.
    pub(crate) minutes: f64,
    /// How many minutes lie between two bursts on average; each gap is drawn for each run.
    pub(crate) gap: f64,
}

/// A warm-up that decays, such as a JIT compiler's.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WarmUp {
    /// Green's latency in its first moment, as a multiple of its own later one.
    pub(crate) latency: f64,
    /// The fraction of requests that green fails in addition in its first moment.
    pub(crate) errors: f64,
    /// The minutes in which both decay to nothing, in a straight line.
    pub(crate) minutes: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".to_owned(),
            rate: 600.0,
            base: 0.01,
            is_bad: false,
            ratio: 1.0,
            floor: 0.0,
            cold_start: 0.0,
            leak: 0.0,
            load: 0.0,
            latency: 1.0,
            common_outage: None,
            drift: 1.0,
            is_silent: false,
            common_cv: 0.0,
            common_rho: 0.0,
            own_cv: 0.0,
            quiet_past: false,
            extra: 0.0,
            share_power: 0.0,
            from_share: 0.0,
            onset: None,
            onset_share: 0.0,
            bursts: None,
            lag: 0.0,
            warm_up: None,
            declared_warm_up: 1.0,
            traffic: Vec::new(),
            drift_minutes: 30.0,
        }
    }
}

/// The public scenarios, in the order of the tables.
pub(crate) const PUBLIC: [&str; 23] = [
    "healthy",
    "coldstart",
    "common_outage",
    "drift1.5x",
    "drift3x",
    "x1.5",
    "x2",
    "x5",
    "abs20",
    "outage",
    "leak",
    "load",
    "blackout_outage",
    "lat20",
    "lat100",
    "at100",
    "from90",
    "onset0-18",
    "late_step",
    "late_bake",
    "lagged_bursts",
    "jit",
    "grows_with_share",
];

/// Requests a minute of the public cells.
pub(crate) const RATES: [f64; 3] = [60.0, 600.0, 6000.0];
/// Blue's error rates of the public cells.
pub(crate) const BASES: [f64; 2] = [0.001, 0.01];

impl Scenario {
    /// Returns a public scenario in one cell.
    pub(crate) fn public(name: &str, rate: f64, base: f64) -> Self {
        let healthy = Self {
            name: name.to_owned(),
            rate,
            base,
            ..Self::default()
        };
        let bad = Self {
            is_bad: true,
            ..healthy.clone()
        };
        match name {
            "coldstart" => Self {
                cold_start: 0.10,
                ..healthy
            },
            "common_outage" => Self {
                common_outage: Some(0.10),
                ..healthy
            },
            "drift1.5x" => Self {
                drift: 1.5,
                ..healthy
            },
            "drift3x" => Self {
                drift: 3.0,
                ..healthy
            },
            "x1.5" => Self { ratio: 1.5, ..bad },
            "x2" => Self { ratio: 2.0, ..bad },
            "x5" => Self { ratio: 5.0, ..bad },
            "abs20" => Self { floor: 0.20, ..bad },
            "outage" => Self { floor: 1.0, ..bad },
            "leak" => Self { leak: 0.005, ..bad },
            "load" => Self { load: 0.05, ..bad },
            "blackout_outage" => Self {
                floor: 1.0,
                is_silent: true,
                ..bad
            },
            "lat20" => Self {
                latency: 1.2,
                ..bad
            },
            "lat100" => Self {
                latency: 2.0,
                ..bad
            },
            // Harm that a test of a tenth of the traffic cannot show.
            "at100" => Self {
                extra: 0.04,
                from_share: 1.0,
                ..bad
            },
            "from90" => Self {
                extra: 0.04,
                from_share: 0.9,
                ..bad
            },
            "grows_with_share" => Self {
                extra: 0.04,
                share_power: 2.0,
                ..bad
            },
            "onset0-18" => Self {
                ratio: 5.0,
                onset: Some([0.0, 18.0]),
                ..bad
            },
            "late_step" => Self {
                ratio: 5.0,
                onset: Some([0.0, 8.0]),
                onset_share: 0.9,
                ..bad
            },
            "late_bake" => Self {
                ratio: 5.0,
                onset: Some([0.0, 8.0]),
                onset_share: 1.0,
                ..bad
            },
            // A shared dependency fails for two minutes, and green notices a minute after blue.
            "lagged_bursts" => Self {
                bursts: Some(Bursts {
                    rate: 0.10,
                    minutes: 2.0,
                    gap: 20.0,
                }),
                lag: 1.0,
                ..healthy
            },
            "jit" => Self {
                warm_up: Some(WarmUp {
                    latency: 2.0,
                    errors: 0.01,
                    minutes: 10.0,
                }),
                declared_warm_up: 10.0,
                ..healthy
            },
            _ => healthy,
        }
    }

    /// Returns the requests a minute at this minute of the run.
    pub(crate) fn rate_at(&self, minute: f64) -> f64 {
        let mut before = [0.0, self.traffic.first().map_or(1.0, |point| point[1])];
        for point in &self.traffic {
            if minute < point[0] {
                let part = (minute - before[0]) / (point[0] - before[0]).max(1e-9);
                let factor = before[1] + (point[1] - before[1]) * part.clamp(0.0, 1.0);
                return self.rate * factor;
            }
            before = *point;
        }
        self.rate * before[1]
    }

    /// Returns the error rate that blue has at this minute of the run without bursts and noise.
    pub(crate) fn shared_rate(&self, minute: f64) -> f64 {
        match self.common_outage {
            Some(rate) if (4.0..7.0).contains(&minute) => rate,
            _ => {
                let passed = (minute / self.drift_minutes.max(1e-9)).clamp(0.0, 1.0);
                self.base * (1.0 + (self.drift - 1.0) * passed)
            }
        }
    }

    /// Returns green's error rate if blue's is `blue`, with this share of the traffic; `began` is whether
    /// its harm has begun.
    pub(crate) fn green_rate(&self, minute: f64, share: f64, blue: f64, began: bool) -> f64 {
        let mut rate = blue;
        if began && share >= self.from_share {
            rate = (self.ratio * blue).max(self.floor) + self.extra * share.powf(self.share_power);
        }
        rate += self.leak * (minute.floor() - 7.0).max(0.0);
        if minute < 1.0 {
            rate += self.cold_start;
        }
        if share >= 0.5 {
            rate += self.load;
        }
        rate.min(1.0)
    }
}

/// Scenarios in a file: `[[scenario]]` tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// Reads scenarios from a file's text. An error of syntax names line and column.
pub(crate) fn read(text: &str) -> Result<Vec<Scenario>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.scenario.is_empty() {
        return Err("the file holds no [[scenario]]".to_owned());
    }
    for scenario in &file.scenario {
        let name = &scenario.name;
        if !(scenario.rate > 0.0 && scenario.rate <= 1e7) {
            return Err(format!(
                "{name}: rate {} is not from 0 to 10000000",
                scenario.rate
            ));
        }
        if !(0.0..1.0).contains(&scenario.base) {
            return Err(format!("{name}: base {} is not from 0 to 1", scenario.base));
        }
        let factors = [scenario.ratio, scenario.latency, scenario.drift];
        if factors
            .iter()
            .any(|factor| !(0.01..=1_000.0).contains(factor))
        {
            return Err(format!(
                "{name}: ratio, latency and drift go from 0.01 to 1000"
            ));
        }
        scenario.check().map_err(|why| format!("{name}: {why}"))?;
        let noises = [scenario.common_cv, scenario.own_cv];
        if noises.iter().any(|cv| !(0.0..=10.0).contains(cv))
            || !(0.0..1.0).contains(&scenario.common_rho)
        {
            return Err(format!(
                "{name}: noise goes from 0 to 10, common_rho from 0 to 1"
            ));
        }
    }
    Ok(file.scenario)
}

impl Scenario {
    /// Checks the fields that say when something happens.
    fn check(&self) -> Result<(), &'static str> {
        let fractions = [self.from_share, self.onset_share, self.extra];
        if fractions.iter().any(|share| !(0.0..=1.0).contains(share)) {
            return Err("from_share, onset_share and extra go from 0 to 1");
        }
        if self
            .onset
            .is_some_and(|[first, last]| !(0.0..=last).contains(&first))
        {
            return Err("onset is two minutes, the second not before the first");
        }
        if !(0.0..=60.0).contains(&self.lag) || !(0.0..=8.0).contains(&self.share_power) {
            return Err("lag goes from 0 to 60 minutes, share_power from 0 to 8");
        }
        if !(0.0..=60.0).contains(&self.declared_warm_up) || self.drift_minutes.is_nan() {
            return Err("declared_warm_up goes from 0 to 60 minutes");
        }
        if let Some(Bursts { rate, minutes, gap }) = self.bursts
            && !((0.0..=1.0).contains(&rate) && minutes > 0.0 && gap >= 1.0)
        {
            return Err(
                "a burst has a rate of 0 to 1, some minutes, and a gap of a minute or more",
            );
        }
        if let Some(WarmUp {
            latency,
            errors,
            minutes,
        }) = self.warm_up
            && !(latency >= 1.0 && (0.0..=1.0).contains(&errors) && minutes > 0.0)
        {
            return Err("a warm-up has a latency of 1 or more, errors of 0 to 1, and some minutes");
        }
        let is_sound = |point: &[f64; 2]| (0.0..=1e4).contains(&point[1]);
        let ascends = self.traffic.windows(2).all(|pair| pair[0][0] < pair[1][0]);
        if !(ascends && self.traffic.iter().all(is_sound)) {
            return Err("traffic is a list of [minute, factor], with ascending minutes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_is_read_and_its_fields_are_checked() {
        let example = read(include_str!("../scenarios.toml")).unwrap();
        assert_eq!(example.len(), 4);
        assert_eq!(example[0].onset, Some([0.0, 18.0]));
        for wrong in [
            "onset = [5.0, 1.0]",
            "from_share = 2.0",
            "lag = -1.0",
            "traffic = [[1.0, 1.0], [0.0, 2.0]]",
            "bursts = { rate = 0.1, minutes = 2.0, gap = 0.0 }",
            "warm_up = { latency = 0.5, errors = 0.0, minutes = 1.0 }",
            "declared_warm_up = 90.0",
        ] {
            assert!(read(&format!("[[scenario]]\n{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_read_and_what_is_wrong_is_said() {
        let read_one = read("[[scenario]]\nname = \"mine\"\nratio = 3.0\nis_bad = true\n").unwrap();
        assert_eq!((read_one[0].ratio, read_one[0].rate), (3.0, 600.0));
        for wrong in [
            "",
            "[[scenario]]\nrtio = 3.0",
            "[[scenario]]\nrate = 0",
            "scenario = []",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_truth_is_what_the_names_say() {
        let x2 = Scenario::public("x2", 600.0, 0.01);
        assert_eq!(x2.green_rate(3.0, 0.1, 0.01, true), 0.02);
        assert_eq!(x2.green_rate(3.0, 0.1, 0.01, false), 0.01);
        let leak = Scenario::public("leak", 600.0, 0.01);
        assert_eq!(leak.green_rate(7.0, 0.1, 0.01, true), 0.01);
        assert_eq!(leak.green_rate(9.9, 0.1, 0.01, true), 0.02);
        let load = Scenario::public("load", 600.0, 0.01);
        assert_eq!(load.green_rate(9.0, 0.1, 0.01, true), 0.01);
        assert!((load.green_rate(9.0, 0.5, 0.01, true) - 0.06).abs() < 1e-12);
        let all = Scenario::public("at100", 600.0, 0.01);
        assert_eq!(all.green_rate(9.0, 0.9, 0.01, true), 0.01);
        assert!((all.green_rate(9.0, 1.0, 0.01, true) - 0.05).abs() < 1e-12);
        let grows = Scenario::public("grows_with_share", 600.0, 0.01);
        assert!((grows.green_rate(9.0, 0.5, 0.01, true) - 0.02).abs() < 1e-12);
        let drift = Scenario::public("drift3x", 600.0, 0.01);
        assert!((drift.shared_rate(30.0) - 0.03).abs() < 1e-12);
        let common = Scenario::public("common_outage", 600.0, 0.01);
        let rates = [3.0, 4.0, 6.0, 7.0].map(|minute| common.shared_rate(minute));
        assert_eq!(rates, [0.01, 0.1, 0.1, 0.01]);
    }

    #[test]
    fn traffic_moves_in_straight_lines() {
        let scenario = Scenario {
            traffic: vec![[0.0, 1.0], [10.0, 3.0]],
            ..Scenario::default()
        };
        assert_eq!(
            [-5.0, 0.0, 5.0, 10.0, 99.0].map(|at| scenario.rate_at(at)),
            [600.0, 600.0, 1_200.0, 1_800.0, 1_800.0]
        );
        assert_eq!(Scenario::default().rate_at(7.0), 600.0);
    }
}
