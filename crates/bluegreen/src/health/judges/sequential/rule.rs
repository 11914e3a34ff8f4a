//! [`SequentialTest`]: the rule by itself, over one minute at a time.

use serde::{Deserialize, Serialize};

use super::{
    accept::NoWorse,
    brakes::Brakes,
    margins::StepMargins,
    minutes::{MinuteSide, Minutes},
    reject::{Allowance, Metrics, Sample, Worse},
    settings::Settings,
    temper::Flicker,
    whole::{RESERVE, SLICE, Whole, highest_minute, sum, worst_slice},
};
use crate::health::{
    Tally,
    judges::martingale::{RateAbove, ln_add_exp},
    metrics::counts::as_f64,
};

/// One settled minute.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Minute {
    /// Green.
    pub green: MinuteSide,
    /// Blue, in the same minute.
    pub blue: MinuteSide,
    /// The share of requests that green should get, 0 to 1.
    pub share: f64,
    /// Whether green's caches and connections were cold: then the minute is compared with the wide limit
    /// only.
    pub is_warm_up: bool,
    /// Whether the minute lies in the present step. A minute that becomes known after its step ended
    /// speaks against green like any other, and proves nothing for a later step.
    pub is_of_step: bool,
}

impl Minute {
    /// Creates a minute of the present step after the warm-up.
    #[must_use]
    pub fn new(green: MinuteSide, blue: MinuteSide, share: f64) -> Self {
        Self {
            green,
            blue,
            share,
            is_warm_up: false,
            is_of_step: true,
        }
    }

    /// Returns the minute as one that lies before the present step.
    #[must_use]
    pub fn of_earlier_step(mut self) -> Self {
        self.is_of_step = false;
        self
    }

    /// Returns the minute as one in a warm-up, or not.
    #[must_use]
    pub fn warming(mut self, is_warm_up: bool) -> Self {
        self.is_warm_up = is_warm_up;
        self
    }
}

/// The ruling of the test after a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ruling {
    /// Green is worse: the evidence has reached `1/alpha`.
    Stop(Reason),
    /// Green is no worse than the step's margin: the evidence has reached `1/beta`.
    GoOn,
    /// Not enough evidence yet.
    Wait,
    /// No more waiting: no request reaches green although some should.
    NoTraffic,
    /// No more waiting: the step's time is over.
    TooLong,
}

/// The test with the strongest evidence against green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A larger part of green's requests fails than of blue's in the same minutes.
    Errors,
    /// A larger part of green's requests is slow than of blue's in the same minutes.
    Slow,
    /// A larger part of green's requests fails than the limit allows.
    Limit,
    /// At the last step, a larger part of green's requests fails than of blue's before the migration.
    ErrorsThanBefore,
    /// At the last step, a larger part of green's requests is slow than of blue's before the migration.
    SlowThanBefore,
}

impl Reason {
    /// Returns the reason in a few words.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Errors => "harm by errors",
            Self::Slow => "harm by latency",
            Self::Limit => "harm by errors above the limit",
            Self::ErrorsThanBefore => "harm by errors against the past",
            Self::SlowThanBefore => "harm by latency against the past",
        }
    }

    /// All reasons, in the order of the evidence.
    pub const ALL: [Self; 5] = [
        Self::Errors,
        Self::Slow,
        Self::Limit,
        Self::ErrorsThanBefore,
        Self::SlowThanBefore,
    ];

    /// The part of the error budget of each reason; the parts add up to 1.
    const WEIGHTS: [f64; 5] = [0.35, 0.25, 0.20, 0.12, 0.08];
}

/// The share from which on a step is a last one: blue's past becomes a control, too.
const LAST: f64 = 0.85;
/// The share from which on blue gets too little for a comparison.
const ALL: f64 = 0.999;
/// For how many minutes a fault that hurts both sides may reach green later than blue.
const LAG: usize = 2;

/// The rule by itself: two one-sided tests by betting, looked at after each minute.
///
/// Feed the test settled minutes in order, each once, and call [`enter`](Self::enter) at each new step.
/// Its rulings depend on these alone. After [`new`](Self::new) it allocates only to keep blue's live minutes.
///
/// # Examples
///
/// ```
/// use bluegreen::health::{
///     Tally,
///     sequential::{Minute, MinuteSide, Reason, Ruling, SequentialTest, Settings, StepMargins},
/// };
///
/// let side = |requests, errors| {
///     MinuteSide::new(requests, Tally::exact(errors), Some(Tally::exact(requests / 10)))
/// };
/// let mut test = SequentialTest::new(Settings::default(), Vec::new());
/// test.enter(StepMargins::of_share(0.1));
/// let outage = Minute::new(side(600, 600), side(5_400, 5), 0.1);
/// assert_eq!(test.take(&outage), Ruling::Stop(Reason::Limit));
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SequentialTest {
    settings: Settings,
    /// Blue before the migration, newest first, and how many of these minutes are used.
    history: Minutes,
    used: usize,
    worse: Metrics<Worse>,
    worse_than_before: Metrics<Worse>,
    flicker: Metrics<Flicker>,
    limit: RateAbove,
    step: Step,
    /// Requests on green that should have come since the last one came.
    missing: f64,
    /// Both sides' requests and minutes so far, for the usual counts of a minute.
    seen: (f64, f64),
    evidence: [f64; 5],
    total: f64,
    // The first rule never changes the next four. So its snapshots leave them out, as snapshots did before
    // the second rule, and journals of that time replay.
    /// How much one minute may win, by blue's past.
    #[serde(default, skip_serializing_if = "is_default")]
    brakes: Metrics<Brakes>,
    /// Blue in the minutes before, newest first: a fault of both may reach green later.
    #[serde(default, skip_serializing_if = "is_default")]
    recent: [Option<MinuteSide>; LAG],
    /// The worst of blue's past: a slice if it is bursty, and the highest rate of a minute.
    #[serde(default, skip_serializing_if = "is_default")]
    worst: (Option<MinuteSide>, f64),
    /// The controls at 100 %.
    #[serde(default, skip_serializing_if = "is_default")]
    whole: Whole,
    /// The reason of the first stop: later minutes do not revoke a stop.
    stopped: Option<Reason>,
}

/// The state that begins anew with each step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    margins: StepMargins,
    minutes: u32,
    with_traffic: u32,
    is_last: bool,
    accepted: Metrics<NoWorse>,
    accepted_by_history: Metrics<NoWorse>,
    newest_has_traffic: bool,
    slow_is_known: bool,
    /// Blue's requests and errors in this step; the first rule does not count them.
    #[serde(default, skip_serializing_if = "is_default")]
    blue: (u64, u64),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Step {
    fn new(margins: StepMargins) -> Self {
        let fresh = || Metrics {
            errors: NoWorse::default(),
            slow: NoWorse::default(),
        };
        Self {
            is_last: margins.share > LAST,
            margins,
            minutes: 0,
            with_traffic: 0,
            accepted: fresh(),
            accepted_by_history: fresh(),
            newest_has_traffic: false,
            slow_is_known: false,
            blue: (0, 0),
        }
    }
}

/// Low bounds for blame, high bounds for trust: the samples of both sides for one use.
#[derive(Debug, Clone, Copy)]
struct Pair {
    green: Sample,
    control: Sample,
}

impl Pair {
    fn of(green: (u64, Tally), control: (u64, Tally), blames: bool) -> Self {
        let sample = |(requests, bad): (u64, Tally), low: bool| Sample {
            requests: as_f64(requests),
            bad: as_f64(if low { bad.low() } else { bad.high() }.min(requests)),
        };
        Self {
            green: sample(green, blames),
            control: sample(control, !blames),
        }
    }

    fn is_informative(&self) -> bool {
        self.green.requests > 0.0 && self.control.requests > 0.0
    }
}

/// The counts of one metric.
#[derive(Debug, Clone, Copy)]
enum Of {
    Errors,
    Slow,
}

impl Of {
    fn tally(self, side: &MinuteSide) -> Option<(u64, Tally)> {
        match self {
            Self::Errors => Some((side.requests, side.errors)),
            Self::Slow => Some((side.requests, side.slow?)),
        }
    }

    /// Returns green and its control, for blame.
    fn pair(self, green: &MinuteSide, control: &MinuteSide) -> Option<Pair> {
        Some(Pair::of(self.tally(green)?, self.tally(control)?, true))
    }
}

/// Whether the control failed clearly more in an earlier minute than now: three standard deviations.
fn has_fallen(before: Sample, now: Sample) -> bool {
    let (a, b) = (before.requests.max(1.0), now.requests.max(1.0));
    let pooled = (before.bad + now.bad) / (a + b);
    let variance = pooled * (1.0 - pooled) * (1.0 / a + 1.0 / b);
    let difference = before.bad / a - now.bad / b;
    before.bad >= 5.0 && difference > 0.0 && difference.powi(2) >= 9.0 * variance
}

impl SequentialTest {
    /// Creates a test that has seen nothing. `history` is blue minute by minute before the migration,
    /// newest first; each minute is used at most once, at the last step.
    #[must_use]
    pub fn new(settings: Settings, history: Vec<MinuteSide>) -> Self {
        Self::of_history(settings, history.into_iter().collect())
    }

    pub(super) fn of_history(settings: Settings, history: Minutes) -> Self {
        let worse = || Metrics {
            errors: Worse::new(),
            slow: Worse::new(),
        };
        let is_first = settings.is_first_rule();
        let brakes = if is_first {
            Metrics::default()
        } else {
            let of = |of: Of| {
                let tallies = history.iter().filter_map(|side| of.tally(&side));
                Brakes::of_past(tallies.map(|(requests, bad)| Sample {
                    requests: as_f64(requests),
                    bad: as_f64(bad.high().min(requests)),
                }))
            };
            Metrics {
                errors: of(Of::Errors),
                slow: of(Of::Slow),
            }
        };
        let is_bursty = !is_first && !brakes.errors.are_fast();
        let worst = (
            worst_slice(&history).filter(|_| is_bursty),
            if is_first {
                0.0
            } else {
                highest_minute(&history)
            },
        );
        Self {
            used: if is_first { 0 } else { RESERVE },
            history,
            brakes,
            recent: [None; LAG],
            worst,
            whole: Whole::default(),
            worse: worse(),
            worse_than_before: worse(),
            flicker: Metrics {
                errors: Flicker::default(),
                slow: Flicker::default(),
            },
            limit: RateAbove::new(),
            step: Step::new(StepMargins::of_share(0.0)),
            missing: 0.0,
            seen: (0.0, 0.0),
            evidence: Reason::WEIGHTS.map(f64::ln),
            total: 0.0,
            stopped: None,
            settings,
        }
    }

    /// Begins a step to this share, 0 to 1, with the margins that the past of the service allows.
    pub fn begin(&mut self, share: f64) {
        let margins = match self.usual().filter(|_| !self.settings.is_first_rule()) {
            Some(service) => StepMargins::of_service(share, service, &self.settings),
            None => StepMargins::of_share(share),
        };
        self.enter(margins);
    }

    /// Returns blue's requests a minute before the migration, and the fraction that failed.
    fn usual(&self) -> Option<(f64, f64)> {
        let all = sum(self.history.iter())?;
        let minutes = as_f64(u64::try_from(self.history.len()).unwrap_or(u64::MAX));
        let requests = as_f64(all.requests);
        Some((requests / minutes, as_f64(all.errors.high()) / requests))
    }

    /// Begins a step: the evidence for green starts anew, the evidence against green continues.
    pub fn enter(&mut self, margins: StepMargins) {
        self.step = Step::new(margins);
    }

    /// Takes the next minute and returns the ruling on all minutes together.
    pub fn take(&mut self, minute: &Minute) -> Ruling {
        let before = self.control_before(minute);
        self.reject(minute, before.as_ref());
        self.count_missing(minute);
        self.accept(minute, before.as_ref());
        self.ruling()
    }

    /// Returns the present ruling.
    #[must_use]
    pub(crate) fn ruling(&self) -> Ruling {
        if let Some(reason) = self.stopped {
            return Ruling::Stop(reason);
        }
        if self.missing >= self.settings.missing_requests {
            return Ruling::NoTraffic;
        }
        if self.is_proved() {
            return Ruling::GoOn;
        }
        if self.step.minutes >= self.step.margins.most_minutes {
            return Ruling::TooLong;
        }
        Ruling::Wait
    }

    /// Returns the weighted evidence of each [`Reason`], as logarithms.
    #[must_use]
    pub(crate) fn evidence(&self) -> [f64; 5] {
        self.evidence
    }

    /// Returns all evidence that green is worse, as a logarithm.
    #[must_use]
    pub fn ln_worse(&self) -> f64 {
        self.total
    }

    /// Returns the evidence that green is no worse than the present margins, as logarithms: errors, slow.
    #[must_use]
    pub(crate) fn ln_no_worse(&self) -> (f64, f64) {
        let margins = self.margins_now();
        let value = |concurrent: &NoWorse, historic: &NoWorse, margin: f64| {
            let now = concurrent.ln_value(margin);
            if !self.may_use_history() {
                return now;
            }
            // Either control may certify green, at half of the budget each.
            now.max(historic.ln_value(margin)) - std::f64::consts::LN_2
        };
        let step = &self.step;
        (
            value(
                &step.accepted.errors,
                &step.accepted_by_history.errors,
                margins.0,
            ),
            value(
                &step.accepted.slow,
                &step.accepted_by_history.slow,
                margins.1,
            ),
        )
    }

    /// Returns the margins that must be proved now: errors and slow requests, as fractions.
    #[must_use]
    pub(crate) fn margins_now(&self) -> (f64, f64) {
        let Step {
            margins,
            minutes,
            blue: (requests, errors),
            ..
        } = &self.step;
        if self.settings.is_first_rule() {
            return margins.at(*minutes);
        }
        margins.beside(*minutes, as_f64(*errors) / as_f64((*requests).max(1)))
    }

    /// Returns the bound on green's error rate that is proved with a confidence of `1 - beta`; `None` if
    /// nothing can be said yet.
    #[must_use]
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        let needed = self.settings.ln_go_on();
        let step = &self.step;
        let concurrent = Certificate {
            ratio: self.accept_ratio(),
            margin: step.accepted.errors.certificate(needed)?,
        };
        Some(concurrent)
    }

    /// Returns how many minutes of this step so far had traffic on green.
    #[must_use]
    pub(crate) fn minutes_with_traffic(&self) -> u32 {
        self.step.with_traffic
    }

    pub(super) fn step_margins(&self) -> &StepMargins {
        &self.step.margins
    }

    /// Returns what green may have more than its control by the test of a reason; `None` for the limit.
    pub(super) fn allowed(&self, reason: Reason) -> Option<Allowance> {
        let (settings, before) = (&self.settings, &self.worse_than_before);
        let whole = self.whole.worse.as_ref();
        let (errors, slow) = settings.alone_after(self.whole.risen());
        // Of the two tests against the past, the one with the stronger evidence.
        let stronger =
            |beside: &Worse, whole: Option<&Worse>, allowed: (Allowance, Allowance)| match whole
                .is_some_and(|whole| whole.ln_value() > beside.ln_value())
            {
                true => allowed.1,
                false => allowed.0,
            };
        Some(match reason {
            Reason::Errors => settings.errors,
            Reason::Slow => settings.slow,
            Reason::ErrorsThanBefore => stronger(
                &before.errors,
                whole.map(|whole| &whole.errors),
                (settings.beside.0, errors),
            ),
            Reason::SlowThanBefore => stronger(
                &before.slow,
                whole.map(|whole| &whole.slow),
                (settings.beside.1, slow),
            ),
            Reason::Limit => return None,
        })
    }

    pub(super) fn missing(&self) -> f64 {
        self.missing
    }

    pub(super) fn lacks_slow(&self) -> bool {
        self.settings.judges_latency && !self.step.slow_is_known
    }

    fn loudest(&self) -> Reason {
        let all = Reason::ALL.into_iter().zip(self.evidence);
        all.reduce(|a, b| if b.1 > a.1 { b } else { a })
            .map_or(Reason::Errors, |(reason, _)| reason)
    }

    /// Returns blue's past as a control of this minute; each part of the past is taken once.
    fn control_before(&mut self, minute: &Minute) -> Option<MinuteSide> {
        if minute.share <= LAST {
            return None;
        }
        if Self::is_plain(minute) && !self.settings.is_first_rule() {
            return self.whole.slice(&self.history, &mut self.used);
        }
        let sum = sum(self.history.part(self.used, SLICE)?);
        self.used += SLICE;
        sum
    }

    /// Returns whether blue gets nothing in this minute by plan, so that its past is the only control.
    fn is_plain(minute: &Minute) -> bool {
        minute.share > ALL
    }

    fn reject(&mut self, minute: &Minute, before: Option<&MinuteSide>) {
        // Before the flicker takes this minute: a bet that depends on its own minute breaks the bound.
        let (flicker, brakes) = (&self.flicker, &self.brakes);
        let powers = Metrics {
            errors: (
                flicker.errors.temper(brakes.errors.chance),
                brakes.errors.cap,
            ),
            slow: (flicker.slow.temper(brakes.slow.chance), brakes.slow.cap),
        };
        self.compare(minute, powers);
        if Self::is_plain(minute) && !self.settings.is_first_rule() {
            self.compare_whole(&minute.green, before, powers);
        } else if let Some(before) = before {
            self.compare_before(minute, before, powers);
        }
        self.push_limit(minute);
        if !self.settings.is_first_rule() {
            self.keep_blue(minute);
        }
        self.weigh();
    }

    /// Keeps blue's minute as a control of later ones.
    fn keep_blue(&mut self, minute: &Minute) {
        let blue = Some(minute.blue).filter(|blue| blue.requests > 0);
        self.recent = std::array::from_fn(|place| match place {
            0 => blue,
            earlier => self.recent[earlier - 1],
        });
        if !Self::is_plain(minute) {
            self.whole.beside(&minute.blue);
        }
    }

    /// Compares green with blue in the same minute.
    fn compare(&mut self, minute: &Minute, powers: Metrics<(f64, f64)>) {
        if minute.is_warm_up || minute.blue.requests == 0 {
            return;
        }
        let settings = &self.settings;
        let Metrics { errors, slow } = &mut self.worse;
        let flicker = &mut self.flicker;
        for (of, worse, flicker, allowed, power) in [
            (
                Of::Errors,
                errors,
                &mut flicker.errors,
                settings.errors,
                powers.errors,
            ),
            (
                Of::Slow,
                slow,
                &mut flicker.slow,
                settings.slow,
                powers.slow,
            ),
        ] {
            let judged = matches!(of, Of::Errors) || settings.judges_latency;
            let pair = of.pair(&minute.green, &minute.blue).filter(|_| judged);
            let Some(pair) = pair.filter(Pair::is_informative) else {
                continue;
            };
            let mut controls = [pair.control; LAG + 1];
            if !settings.is_first_rule() {
                for (control, recent) in controls[1..].iter_mut().zip(&self.recent) {
                    let recent = recent.and_then(|blue| of.pair(&minute.green, &blue));
                    if let Some(recent) = recent.filter(|one| has_fallen(one.control, pair.control))
                    {
                        *control = recent.control;
                    }
                }
            }
            worse.push(pair.green, &controls, allowed, power);
            flicker.push(pair.green, pair.control);
        }
    }

    /// Compares green with blue's past: beside a live blue the past only has to be roughly right; alone it
    /// is the control of the main test, which then continues.
    fn compare_before(
        &mut self,
        minute: &Minute,
        before: &MinuteSide,
        powers: Metrics<(f64, f64)>,
    ) {
        let settings = &self.settings;
        let (to, margins) = if Self::is_plain(minute) {
            (&mut self.worse, settings.alone)
        } else {
            (&mut self.worse_than_before, settings.beside)
        };
        let worst = self.worst.0.unwrap_or(*before);
        let both = |of: Of| {
            let pair = of.pair(&minute.green, before)?;
            let worst = of.pair(&minute.green, &worst).map(|pair| pair.control);
            Some((pair.green, [pair.control, worst.unwrap_or(pair.control)]))
        };
        if let Some((green, controls)) = both(Of::Errors) {
            to.errors.push(green, &controls, margins.0, powers.errors);
        }
        if let Some((green, controls)) = both(Of::Slow).filter(|_| settings.judges_latency) {
            to.slow.push(green, &controls, margins.1, powers.slow);
        }
    }

    /// Compares a green that has everything with blue's past, its live minutes, and the worst of its past.
    fn compare_whole(
        &mut self,
        green: &MinuteSide,
        before: Option<&MinuteSide>,
        powers: Metrics<(f64, f64)>,
    ) {
        let lagged = self.whole.lagged();
        let rise = self.whole.rise();
        let worst = self
            .worst
            .0
            .filter(|_| before.is_some() || lagged.is_some());
        let controls = [before.copied(), lagged, worst];
        let fresh = || Metrics {
            errors: Worse::new(),
            slow: Worse::new(),
        };
        let worse = self.whole.worse.get_or_insert_with(fresh);
        let settings = &self.settings;
        let alone = settings.alone_after(rise);
        for (of, to, allowed, power) in [
            (Of::Errors, &mut worse.errors, alone.0, powers.errors),
            (Of::Slow, &mut worse.slow, alone.1, powers.slow),
        ] {
            let judged = matches!(of, Of::Errors) || settings.judges_latency;
            let none = Sample::default();
            let pairs = controls.map(|control| of.pair(green, &control?).filter(|_| judged));
            if let Some(first) = pairs.iter().flatten().next() {
                let controls = pairs.map(|pair| pair.map_or(none, |pair| pair.control));
                to.push(first.green, &controls, allowed, power);
            }
        }
    }

    fn push_limit(&mut self, minute: &Minute) {
        let (green, blue, settings) = (&minute.green, &minute.blue, &self.settings);
        let mut limit = if minute.is_warm_up {
            settings.limit_in_warm_up
        } else {
            settings.limit
        };
        if Self::is_plain(minute) {
            limit = limit.max(self.worst.1);
        }
        let blue_fails = blue.requests > 0
            && as_f64(blue.errors.high()) > 0.5 * settings.limit * as_f64(blue.requests);
        let lag = match settings.is_first_rule() || blue.errors.low() < 3 {
            true => 0,
            false => LAG,
        };
        self.limit
            .push_near(green.requests, green.errors.low(), limit, blue_fails, lag);
    }

    /// Adds the evidence of all tests up.
    fn weigh(&mut self) {
        let before = &self.worse_than_before;
        let is_first = self.settings.is_first_rule();
        let with_whole = |beside: f64, whole: fn(&Metrics<Worse>) -> f64| {
            if is_first {
                return beside;
            }
            // Half of the budget each from the start on: the average of two fair bets is fair.
            let whole = self.whole.worse.as_ref().map_or(0.0, whole);
            ln_add_exp(beside, whole) - std::f64::consts::LN_2
        };
        let values = [
            self.worse.errors.ln_value(),
            self.worse.slow.ln_value(),
            self.limit.ln_value(),
            with_whole(before.errors.ln_value(), |worse| worse.errors.ln_value()),
            with_whole(before.slow.ln_value(), |worse| worse.slow.ln_value()),
        ];
        for ((evidence, value), weight) in self.evidence.iter_mut().zip(values).zip(Reason::WEIGHTS)
        {
            *evidence = weight.ln() + value;
        }
        let high = self.evidence.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.evidence.iter().map(|one| (one - high).exp()).sum();
        self.total = high + sum.ln();
        if self.total >= self.settings.ln_stop() {
            let loudest = self.loudest();
            self.stopped.get_or_insert(loudest);
        }
    }

    /// Counts the requests that should have reached green and did not.
    fn count_missing(&mut self, minute: &Minute) {
        let (green, blue) = (as_f64(minute.green.requests), as_f64(minute.blue.requests));
        self.seen.0 += green + blue;
        self.seen.1 += 1.0;
        if green > 0.0 {
            self.missing = 0.0;
        } else if !self.settings.weights_hold {
            // Clients that stay on a side do not follow the weights.
        } else if Self::is_plain(minute) {
            self.missing += 0.5 * self.seen.0 / self.seen.1;
        } else {
            self.missing += blue * minute.share / (1.0 - minute.share);
        }
    }

    fn accept(&mut self, minute: &Minute, before: Option<&MinuteSide>) {
        let ratio = self.accept_ratio();
        let latency_ratio = self.settings.accept_slow;
        let step = &mut self.step;
        let has_traffic = minute.green.requests > 0;
        if !minute.is_of_step {
            step.newest_has_traffic = has_traffic;
            return;
        }
        step.minutes += 1;
        step.with_traffic += u32::from(has_traffic);
        step.newest_has_traffic = has_traffic;
        let green = &minute.green;
        let push = |to: &mut Metrics<NoWorse>, control: &MinuteSide, ratio: f64| {
            let own = (green.requests, green.errors);
            let pair = Pair::of(own, (control.requests, control.errors), false);
            to.errors.push(pair.green, pair.control, ratio);
            if let Some((own, other)) = green.slow.zip(control.slow) {
                let pair = Pair::of((green.requests, own), (control.requests, other), false);
                to.slow.push(pair.green, pair.control, latency_ratio);
            }
        };
        if !minute.is_warm_up {
            step.slow_is_known |= has_traffic && green.slow.is_some();
            if !self.settings.is_first_rule() {
                step.blue.0 += minute.blue.requests;
                step.blue.1 += minute.blue.errors.low();
            }
            push(&mut step.accepted, &minute.blue, ratio);
        }
        if let Some(before) = before {
            let to = if Self::is_plain(minute) {
                &mut step.accepted
            } else {
                &mut step.accepted_by_history
            };
            push(to, before, self.settings.accept_last);
        }
    }

    pub(super) fn accept_ratio(&self) -> f64 {
        if self.step.margins.share > ALL {
            self.settings.accept_last
        } else {
            self.settings.accept
        }
    }

    /// Returns whether blue's past may certify green beside blue itself.
    fn may_use_history(&self) -> bool {
        self.step.is_last && self.step.margins.share <= ALL
    }

    fn is_proved(&self) -> bool {
        let (errors, slow) = self.ln_no_worse();
        let needed = self.settings.ln_go_on();
        let step = &self.step;
        step.newest_has_traffic
            && step.with_traffic >= step.margins.least_minutes
            && errors >= needed
            && (!self.settings.judges_latency || (slow >= needed && step.slow_is_known))
            && self.total < self.settings.ln_suspicion()
    }
}

/// The proved bound: green's error rate is at most `ratio` times blue's and `margin` more.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// The multiple of blue's rate.
    pub ratio: f64,
    /// The amount that is added, as a fraction.
    pub margin: f64,
}
