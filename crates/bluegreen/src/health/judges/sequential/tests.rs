use proptest::prelude::*;

use super::{
    accept::NoWorse,
    reject::{Allowance, Sample, Worse, ln_ratios},
    temper::Flicker,
    *,
};
use crate::health::{Tally, judges::martingale::StartTimeMixture};

/// Eight minutes of green's requests and errors and blue's, and the results of a reference implementation
/// in Python.
const MINUTES: [(u64, u64, u64, u64); 8] = [
    (60, 1, 540, 5),
    (58, 2, 530, 6),
    (61, 9, 541, 4),
    (0, 0, 600, 7),
    (300, 20, 300, 3),
    (305, 2, 0, 0),
    (298, 4, 301, 5),
    (3010, 41, 2990, 28),
];
const UNCAPPED: [f64; 8] = [
    -0.168_829_097_779_752_2,
    0.042_340_601_044_882_686,
    7.583_144_286_566_379,
    7.583_144_286_566_379,
    13.480_774_270_683_122,
    13.480_774_270_683_122,
    9.803_360_282_289_43,
    5.567_369_215_339_043,
];
const CAPPED: [f64; 8] = [
    -0.168_829_097_779_752_2,
    0.042_340_601_044_882_686,
    1.926_200_296_728_386_4,
    1.926_200_296_728_386_4,
    4.324_377_327_813_399,
    4.324_377_327_813_399,
    3.120_589_777_021_335_6,
    2.898_110_821_572_066,
];
const TEMPERED: [f64; 8] = [
    -0.168_829_097_779_752_2,
    0.042_340_601_044_882_686,
    1.926_200_296_728_386_4,
    1.926_200_296_728_386_4,
    3.624_663_537_265_826_5,
    3.624_663_537_265_826_5,
    3.106_137_325_123_888,
    2.531_360_884_785_539,
];
const TEMPERS: [f64; 6] = [1.0, 1.0, 1.0, 0.375, 0.285_714_285_714_285_7, 0.25];
const ACCEPTED: [[f64; 3]; 8] = [
    [
        -0.512_967_225_617_44,
        -0.329_426_814_461_459_16,
        0.932_306_175_483_779_4,
    ],
    [
        -1.171_821_081_075_710_8,
        -0.918_569_779_274_855_5,
        1.031_290_465_662_544_3,
    ],
    [
        -3.201_959_190_555_643,
        -2.986_343_800_205_623,
        -1.613_169_335_884_082_4,
    ],
    [
        -3.201_959_190_555_643,
        -2.986_343_800_205_623,
        -1.613_169_335_884_082_4,
    ],
    [
        -5.916_173_664_190_311,
        -5.409_747_886_978_572,
        -2.398_054_359_939_309_6,
    ],
    [
        -5.916_173_664_190_311,
        -5.409_747_886_978_572,
        -2.398_054_359_939_309_6,
    ],
    [
        -5.548_953_363_842_619,
        -4.725_655_905_474_637,
        0.853_623_974_156_045_6,
    ],
    [
        -5.844_467_447_435_129,
        -1.838_864_115_667_840_2,
        62.864_930_789_213_45,
    ],
];

fn allowed() -> Allowance {
    Allowance {
        ratio: 1.1,
        excess: 0.0003,
    }
}

fn samples() -> impl Iterator<Item = (Sample, Sample)> {
    MINUTES.into_iter().map(|(n_g, k_g, n_b, k_b)| {
        let sample = |requests: u64, bad: u64| Sample {
            requests: crate::health::metrics::counts::as_f64(requests),
            bad: crate::health::metrics::counts::as_f64(bad),
        };
        (sample(n_g, k_g), sample(n_b, k_b))
    })
}

#[track_caller]
fn assert_close(got: f64, wanted: f64) {
    assert!((got - wanted).abs() < 1e-9, "{got} is not {wanted}");
}

#[test]
fn p08_the_reject_side_reproduces_the_reference_values() {
    let mut uncapped = StartTimeMixture::weighted([1.0, 1.5, 1.5, 1.5, 1.2, 1.0, 0.7, 0.5, 0.3]);
    let (mut capped, mut tempered, mut flicker) = (Worse::new(), Worse::new(), Flicker::default());
    let mut tempers = Vec::new();
    for (place, (green, blue)) in samples().enumerate() {
        capped.push(green, &[blue], allowed(), (1.0, 2.5));
        if green.requests > 0.0 && blue.requests > 0.0 {
            uncapped.push(ln_ratios(green, blue, allowed()));
            let temper = flicker.temper(2.0);
            tempers.push(temper);
            tempered.push(green, &[blue], allowed(), (temper, 2.5));
            flicker.push(green, blue);
        }
        assert_close(uncapped.ln_value(), UNCAPPED[place]);
        assert_close(capped.ln_value(), CAPPED[place]);
        assert_close(tempered.ln_value(), TEMPERED[place]);
    }
    assert_eq!(tempers.len(), TEMPERS.len());
    for (got, wanted) in tempers.into_iter().zip(TEMPERS) {
        assert_close(got, wanted);
    }
}

#[test]
fn p08_the_accept_side_reproduces_the_reference_values() {
    let mut evidence = NoWorse::default();
    for ((green, blue), wanted) in samples().zip(ACCEPTED) {
        evidence.push(green, blue, 1.3);
        for (margin, wanted) in [0.003, 0.01, 0.05].into_iter().zip(wanted) {
            assert_close(evidence.ln_value(margin), wanted);
        }
    }
}

fn side(requests: u64, errors: u64) -> MinuteSide {
    let slow = Some(Tally::exact(requests / 10));
    MinuteSide::new(requests, Tally::exact(errors), slow)
}

/// Returns a test in a step to this share.
fn at(share: f64) -> SequentialTest {
    let mut test = SequentialTest::new(Settings::default(), Vec::new());
    test.enter(StepMargins::of_share(share));
    test
}

fn rulings(test: &mut SequentialTest, minute: Minute, most: usize) -> (usize, Ruling) {
    for number in 1..=most {
        let ruling = test.take(&minute);
        if ruling != Ruling::Wait {
            return (number, ruling);
        }
    }
    (most, Ruling::Wait)
}

#[test]
fn an_outage_is_stopped_in_the_first_minute_that_is_seen() {
    let outage = Minute::new(side(600, 600), side(5_400, 5), 0.1);
    let ruling = rulings(&mut at(0.1), outage, 5);
    assert_eq!(ruling, (1, Ruling::Stop(Reason::Limit)));
    // In the warm-up, too.
    let ruling = rulings(&mut at(0.1), outage.warming(true), 5);
    assert_eq!(ruling, (1, Ruling::Stop(Reason::Limit)));
}

#[test]
fn what_hurts_both_is_not_greens_fault() {
    let both = Minute::new(side(600, 60), side(5_400, 540), 0.1);
    let (_, ruling) = rulings(&mut at(0.1), both, 3);
    assert!(!matches!(ruling, Ruling::Stop(_)), "{ruling:?}");
}

#[test]
fn a_green_that_is_twice_as_bad_is_stopped_by_the_comparison() {
    let worse = Minute::new(side(3_000, 60), side(3_000, 30), 0.5);
    let (minutes, ruling) = rulings(&mut at(0.5), worse, 30);
    assert_eq!(ruling, Ruling::Stop(Reason::Errors));
    assert!(minutes <= 12, "{minutes}");
}

#[test]
fn a_slow_green_is_stopped_where_latency_is_judged() {
    let slow = MinuteSide::new(600, Tally::exact(0), Some(Tally::exact(320)));
    let minute = Minute::new(slow, side(5_400, 5), 0.1);
    let ruling = rulings(&mut at(0.1), minute, 30).1;
    assert_eq!(ruling, Ruling::Stop(Reason::Slow));
    let mut blind = SequentialTest::new(Settings::default().without_latency(), Vec::new());
    blind.enter(StepMargins::of_share(0.1));
    assert_eq!(rulings(&mut blind, minute, 30).1, Ruling::GoOn);
}

#[test]
fn p01_without_known_slow_counts_nothing_passes() {
    let unknown = |requests, errors| MinuteSide::new(requests, Tally::exact(errors), None);
    let minute = Minute::new(unknown(600, 0), unknown(5_400, 5), 0.1);
    assert_eq!(rulings(&mut at(0.1), minute, 100).1, Ruling::TooLong);
}

#[test]
fn a_good_green_passes_each_step_with_a_certificate() {
    let mut test = at(0.1);
    let first = Minute::new(side(600, 1), side(5_400, 5), 0.1);
    let (minutes, ruling) = rulings(&mut test, first, 60);
    assert_eq!(ruling, Ruling::GoOn);
    let certificate = test.certificate().expect("something is proved");
    assert!(
        certificate.margin <= test.margins_now().0,
        "{certificate:?}"
    );
    assert!(minutes <= 5, "{minutes}");
    // The next step proves itself anew.
    test.enter(StepMargins::of_share(0.5));
    assert_eq!(test.certificate(), None);
    let half = Minute::new(side(3_000, 3), side(3_000, 3), 0.5);
    assert_eq!(test.take(&half), Ruling::Wait);
    assert_eq!(rulings(&mut test, half, 60).1, Ruling::GoOn);
}

#[test]
fn p01_requests_that_should_come_and_do_not_end_the_wait() {
    let mut test = at(0.5);
    let silent = Minute::new(side(0, 0), side(15, 0), 0.5);
    assert_eq!(test.take(&silent), Ruling::Wait);
    assert_eq!(test.take(&silent), Ruling::NoTraffic);
    // At 100 % the traffic of both before tells how much should come.
    let mut test = at(0.5);
    test.take(&Minute::new(side(300, 0), side(300, 0), 0.5));
    test.enter(StepMargins::of_share(1.0));
    let silent = Minute::new(side(0, 0), side(0, 0), 1.0);
    assert_eq!(test.take(&silent), Ruling::NoTraffic);
    // With stickiness the weights say little.
    let mut sticky = SequentialTest::new(Settings::default().without_weights(), Vec::new());
    sticky.enter(StepMargins::of_share(0.5));
    let silent = Minute::new(side(0, 0), side(1_000, 0), 0.5);
    assert_eq!(sticky.take(&silent), Ruling::Wait);
}

/// At 100 % without blue its past is the control; without a past nothing passes.
#[test]
fn p01_a_plain_last_step_needs_blues_past() {
    let alone = Minute::new(side(6_000, 6), side(0, 0), 1.0);
    assert_eq!(rulings(&mut at(1.0), alone, 100).1, Ruling::TooLong);
    let mut test = SequentialTest::new(Settings::default(), vec![side(6_000, 6); 240]);
    test.enter(StepMargins::of_share(1.0));
    assert_eq!(rulings(&mut test, alone, 100).1, Ruling::GoOn);
    let mut test = SequentialTest::new(Settings::default(), vec![side(6_000, 6); 240]);
    test.enter(StepMargins::of_share(1.0));
    let worse = Minute::new(side(6_000, 60), side(0, 0), 1.0);
    assert_eq!(
        rulings(&mut test, worse, 100).1,
        Ruling::Stop(Reason::Errors)
    );
}

/// Blue's past by the minute, `errors` of 1,500 each, and a test whose last step kept a tenth on blue.
fn held_back(errors: impl Fn(u64) -> u64) -> SequentialTest {
    let past = (0..240).map(|minute| side(1_500, errors(minute))).collect();
    let mut test = SequentialTest::new(Settings::default().by_second_rule(), past);
    for (share, green, blue) in [
        (0.5, side(750, 2), side(750, 2)),
        (0.9, side(1_350, 4), side(150, 0)),
    ] {
        test.begin(share);
        for _ in 0..8 {
            test.take(&Minute::new(green, blue, share));
        }
    }
    assert!(test.ln_worse() < 1.0);
    test.begin(1.0);
    test
}

/// Four points more than blue ever had, at 100 % alone: 64 of 1,500.
#[test]
fn harm_that_shows_only_at_100_percent_is_stopped_in_its_first_minute() {
    let mut test = held_back(|minute| 4 + minute % 2);
    let harm = Minute::new(side(1_500, 64), side(0, 0), 1.0);
    let ruling = rulings(&mut test, harm, 10);
    assert_eq!(ruling, (1, Ruling::Stop(Reason::ErrorsThanBefore)));
}

/// Blue had bursts of 4 % in its past, so a green that has one at 100 % is not blamed for it.
#[test]
fn a_burst_that_blue_had_too_is_not_blamed_on_a_green_that_has_everything() {
    let mut test = held_back(|minute| if minute % 40 < 4 { 64 } else { 4 });
    let burst = Minute::new(side(1_500, 64), side(0, 0), 1.0);
    assert_eq!(rulings(&mut test, burst, 10).1, Ruling::Wait);
    // Above the limit and above all that blue ever had it is.
    let outage = Minute::new(side(1_500, 300), side(0, 0), 1.0);
    let ruling = rulings(&mut test, outage, 3);
    assert_eq!(ruling, (1, Ruling::Stop(Reason::Limit)));
}

/// Blue fails for a minute, green in the next one.
#[test]
fn a_shared_burst_that_reaches_green_a_minute_later_is_not_blamed() {
    let past = (0..240)
        .map(|minute| side(6_000, 59 + minute % 3))
        .collect();
    let mut test = SequentialTest::new(Settings::default().by_second_rule(), past);
    test.begin(0.1);
    let usual = Minute::new(side(600, 6), side(5_400, 54), 0.1);
    for _ in 0..3 {
        test.take(&usual);
    }
    test.take(&Minute::new(side(600, 6), side(5_400, 540), 0.1));
    let late = Minute::new(side(600, 60), side(5_400, 54), 0.1);
    let ruling = test.take(&late);
    assert!(
        !matches!(ruling, Ruling::Stop(_)) && test.ln_worse() < 2.0,
        "{}",
        test.ln_worse()
    );
    // Without blue's burst before it the same two minutes stop green.
    test.take(&usual);
    test.take(&usual);
    test.take(&late);
    assert!(matches!(test.take(&late), Ruling::Stop(_)));
}

/// A journal of an earlier version is judged by the rule of that version: its settings name none.
#[test]
fn p09_settings_without_a_version_are_judged_by_the_first_rule() {
    let second = Settings::default().by_second_rule();
    let mut settings = serde_json::to_value(&second).unwrap();
    assert_eq!(
        serde_json::from_value::<Settings>(settings.clone()).unwrap(),
        second
    );
    settings.as_object_mut().unwrap().remove("rule");
    let first: Settings = serde_json::from_value(settings).unwrap();
    assert_eq!(first, Settings::default());
    // Under the first rule no minute wins more than 2.5 nats, so harm of five times takes three minutes.
    let minutes = |settings: Settings| {
        let mut test = SequentialTest::new(settings, vec![side(6_000, 60); 240]);
        test.begin(0.1);
        rulings(
            &mut test,
            Minute::new(side(600, 30), side(5_400, 54), 0.1),
            20,
        )
        .0
    };
    assert_eq!((minutes(first), minutes(second)), (3, 1));
}

/// A judge of the first rule after nine minutes, as the version before the second rule saved it: the
/// output of that version's code for [`nine_minutes`].
const SAVED_BEFORE_THE_SECOND_RULE: &str =
    include_str!("../../../../testdata/sequential/rule-1.json");

/// Three steps: a burst that both sides share and that reaches green a minute later, a hold-back, and
/// 100 % with harm in its last minute.
fn nine_minutes(settings: Settings) -> SequentialTest {
    let past = (0..24).map(|minute| side(6_000, 5 + minute % 3)).collect();
    let mut test = SequentialTest::new(settings, past);
    for (share, minutes) in [
        (
            0.1,
            [
                (600, 1, 5_400, 5),
                (590, 2, 5_410, 540),
                (610, 60, 5_390, 6),
            ],
        ),
        (
            0.9,
            [(5_400, 9, 600, 1), (5_400, 7, 600, 0), (5_400, 30, 600, 2)],
        ),
        (
            1.0,
            [(6_000, 8, 0, 0), (6_000, 9, 3, 0), (6_000, 200, 0, 0)],
        ),
    ] {
        test.begin(share);
        for (place, (green, failed, blue, bad)) in minutes.into_iter().enumerate() {
            let minute = Minute::new(side(green, failed), side(blue, bad), share);
            test.take(&minute.warming(place == 0));
        }
    }
    test
}

/// Returns the text without its numbers, and the numbers.
fn taken_apart(json: &str) -> (String, Vec<f64>) {
    let parts = json.split_inclusive(['[', ']', '{', '}', ',', ':']);
    let mut numbers = Vec::new();
    let mut text = String::new();
    for part in parts {
        let (value, sign) = part.split_at(part.len().saturating_sub(1));
        match value.parse::<f64>() {
            Ok(number) => numbers.push(number),
            Err(_) => text.push_str(value),
        }
        text.push_str(sign);
    }
    (text, numbers)
}

/// A journal from before the second rule holds snapshots of this form, and replay compares them.
#[test]
fn p09_a_snapshot_of_the_first_rule_is_as_before_the_second() {
    let saved = SAVED_BEFORE_THE_SECOND_RULE.trim_end();
    let restored: SequentialTest = serde_json::from_str(saved).unwrap();
    assert_eq!(serde_json::to_string(&restored).unwrap(), saved);

    let now = serde_json::to_string(&nine_minutes(Settings::default())).unwrap();
    let ((text, numbers), (wanted, before)) = (taken_apart(&now), taken_apart(saved));
    assert_eq!(text, wanted);
    assert!(numbers.len() == before.len() && numbers.len() > 200);
    for (got, wanted) in numbers.into_iter().zip(before) {
        // The last digit of a logarithm differs between platforms.
        assert!(
            (got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            "{got} is not {wanted}"
        );
    }

    let second = nine_minutes(Settings::default().by_second_rule());
    let second = serde_json::to_string(&second).unwrap();
    for field in ["\"recent\"", "\"worst\"", "\"whole\"", "\"blue\":["] {
        assert!(second.contains(field), "{field} in {second}");
    }
}

/// At 100 % the first rule names the ratio beside a live blue, as before the second rule: its evidence
/// against blue's past is from the step before.
#[test]
fn the_allowance_that_is_named_is_the_one_of_the_test() {
    let settings = Settings::default();
    let first = nine_minutes(settings.clone());
    let of = Reason::ErrorsThanBefore;
    assert_eq!(first.allowed(of), Some(settings.beside.0));
    assert_eq!(
        first.allowed(Reason::SlowThanBefore),
        Some(settings.beside.1)
    );
    assert_eq!(first.allowed(Reason::Limit), None);
    let mut second = held_back(|minute| 4 + minute % 2);
    assert_eq!(second.allowed(of), Some(settings.beside.0));
    second.take(&Minute::new(side(1_500, 64), side(0, 0), 1.0));
    assert_eq!(second.allowed(of), Some(settings.alone.0));
}

/// Low bounds blame and high bounds trust: an unknown in between does neither.
#[test]
fn p01_what_is_known_within_bounds_neither_blames_nor_passes() {
    let vague = MinuteSide::new(600, Tally::between(0, 600), Some(Tally::exact(60)));
    let minute = Minute::new(vague, side(5_400, 5), 0.1);
    assert_eq!(rulings(&mut at(0.1), minute, 100).1, Ruling::TooLong);
}

/// Every order of ten minutes with traffic on both sides, on one, or on none: nothing passes without
/// traffic on green in the newest minute and in the least number of minutes of the step.
#[test]
fn p01_no_order_of_missing_minutes_passes() {
    let minutes = [
        Minute::new(side(600, 0), side(600, 0), 0.5),
        Minute::new(side(0, 0), side(30, 0), 0.5),
        Minute::new(side(600, 0), side(0, 0), 0.5),
        Minute::new(side(0, 0), side(0, 0), 0.5),
    ];
    let mut passed = 0;
    for order in 0..4_u32.pow(8) {
        let mut test = at(0.5);
        let (mut with_green, mut with_both) = (0, 0);
        for place in 0..8 {
            let kind = (order / 4_u32.pow(place)) % 4;
            with_green += u32::from(kind % 2 == 0);
            with_both += u32::from(kind == 0);
            match test.take(&minutes[kind as usize]) {
                Ruling::GoOn => {
                    passed += 1;
                    assert!(kind % 2 == 0 && with_green >= 3 && with_both >= 1);
                    break;
                }
                Ruling::Stop(_) => panic!("nothing failed"),
                Ruling::NoTraffic | Ruling::TooLong => break,
                Ruling::Wait => {}
            }
        }
    }
    assert!(passed > 1_000, "{passed}");
}

proptest! {
    #[test]
    fn no_counts_break_the_arithmetic(
        minutes in prop::collection::vec(
            (0_u64..10_000_000, 0_u64..10_000_000, 0_u64..10_000_000, 0_u64..10_000_000, 0.0_f64..=1.0, any::<bool>()),
            1..60,
        ),
    ) {
        let history = vec![side(10_000_000, 3); 140];
        let settings = match minutes.len() % 2 {
            0 => Settings::default(),
            _ => Settings::default().by_second_rule(),
        };
        let mut test = SequentialTest::new(settings, history);
        test.begin(0.9);
        for (n_g, k_g, n_b, k_b, share, warm) in minutes {
            let side = |n, k| MinuteSide::new(n, Tally::exact(k), Some(Tally::between(k / 2, k)));
            test.take(&Minute::new(side(n_g, k_g), side(n_b, k_b), share).warming(warm));
            prop_assert!(test.ln_worse().is_finite());
            let (errors, slow) = test.ln_no_worse();
            prop_assert!(errors.is_finite() && slow.is_finite());
            if let Some(certificate) = test.certificate() {
                prop_assert!((0.0..=1.0).contains(&certificate.margin));
            }
        }
    }
}
