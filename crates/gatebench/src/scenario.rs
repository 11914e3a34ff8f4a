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
        }
    }
}

/// The public scenarios, in the order of the tables.
pub(crate) const PUBLIC: [&str; 15] = [
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
            _ => healthy,
        }
    }

    /// Returns blue's error rate in a minute, times a shock that both sides share.
    pub(crate) fn blue_rate(&self, minute: usize, shock: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred minutes")]
        let passed = minute.min(30) as f64 / 30.0;
        let rate = match self.common_outage {
            Some(rate) if (4..7).contains(&minute) => rate,
            _ => self.base * (1.0 + (self.drift - 1.0) * passed),
        };
        (rate * shock).min(0.999)
    }

    /// Returns green's error rate in a minute, for green's share and blue's error rate in that minute.
    pub(crate) fn green_rate(&self, minute: usize, share: f64, blue: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred minutes")]
        let leaking = minute.saturating_sub(7) as f64;
        let mut rate = (self.ratio * blue).max(self.floor) + self.leak * leaking;
        if minute == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(x2.green_rate(3, 0.1, 0.01), 0.02);
        let leak = Scenario::public("leak", 600.0, 0.01);
        assert_eq!(leak.green_rate(7, 0.1, 0.01), 0.01);
        assert_eq!(leak.green_rate(9, 0.1, 0.01), 0.02);
        let load = Scenario::public("load", 600.0, 0.01);
        assert_eq!(load.green_rate(9, 0.1, 0.01), 0.01);
        assert!((load.green_rate(9, 0.5, 0.01) - 0.06).abs() < 1e-12);
        let drift = Scenario::public("drift3x", 600.0, 0.01);
        assert!((drift.blue_rate(30, 1.0) - 0.03).abs() < 1e-12);
        let common = Scenario::public("common_outage", 600.0, 0.01);
        let rates = [3, 4, 6, 7].map(|minute| common.blue_rate(minute, 1.0));
        assert_eq!(rates, [0.01, 0.1, 0.1, 0.01]);
    }
}
