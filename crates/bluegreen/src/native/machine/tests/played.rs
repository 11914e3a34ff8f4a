//! Plays a platform against the machine: any order of failures, late answers, old reads, controls and crashes.

use super::*;

/// A platform that moves a linear deployment by quarters, and pauses before each rise.
#[derive(Debug, Clone)]
struct Platform {
    share: u8,
    status: NativeStatus,
    is_paused: bool,
    /// What a read showed before the newest change, and until when a read may still show it.
    old: Option<(NativeObservation, Timestamp)>,
    answers: u32,
    changed: Timestamp,
}

impl Platform {
    fn new() -> Self {
        Self {
            share: 0,
            status: NativeStatus::InProgress,
            is_paused: true,
            old: None,
            answers: 0,
            changed: start(),
        }
    }

    fn now(&self) -> NativeObservation {
        let mut seen = at_share(self.share);
        seen.status = self.status.clone();
        if self.is_paused {
            seen.pauses = vec![pause_of("hook")];
        }
        seen
    }

    fn read(&self, at: Timestamp, late: bool) -> NativeObservation {
        match &self.old {
            Some((old, until)) if late && at < *until => old.clone(),
            _ => self.now(),
        }
    }

    fn change(&mut self, at: Timestamp, change: impl FnOnce(&mut Self)) {
        self.old = Some((self.now(), later(at, PROPAGATION / 2)));
        change(self);
        self.changed = at;
    }

    /// Continues if it waits; an answer to no pause is refused.
    fn proceed(&mut self, at: Timestamp) -> bool {
        let is_taken = self.is_paused && self.status == NativeStatus::InProgress;
        if is_taken {
            self.answers += 1;
            self.change(at, |one| {
                one.share += 25;
                one.is_paused = false;
            });
        }
        is_taken
    }

    fn roll_back(&mut self, at: Timestamp) -> bool {
        let is_taken = self.status == NativeStatus::InProgress;
        if is_taken {
            self.change(at, |one| {
                one.status = NativeStatus::RollbackInProgress;
                one.is_paused = false;
            });
        }
        is_taken
    }

    /// What the platform does by itself, five minutes after its newest change.
    fn act(&mut self, at: Timestamp) {
        if at < later(self.changed, minutes(5)) {
            return;
        }
        match (&self.status, self.share, self.is_paused) {
            (NativeStatus::RollbackInProgress, _, _) => self.change(at, |one| {
                one.status = NativeStatus::RolledBack;
                one.share = 0;
            }),
            (NativeStatus::InProgress, 100, _) => {
                self.change(at, |one| one.status = NativeStatus::Successful);
            }
            (NativeStatus::InProgress, _, false) => self.change(at, |one| one.is_paused = true),
            _ => {}
        }
    }
}

/// What happens to one action.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Fine,
    /// A read is old.
    Late,
    Fails,
    /// A change has its effect, and no answer.
    Lost,
    /// The process ends before the action's answer, and is resumed; the effect happens or not.
    Crash(bool),
    Abort,
    Pause,
    Continue,
    Promote,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        12 => Just(Luck::Fine),
        3 => Just(Luck::Late),
        2 => Just(Luck::Fails),
        2 => Just(Luck::Lost),
        1 => any::<bool>().prop_map(Luck::Crash),
        1 => Just(Luck::Abort),
        1 => Just(Luck::Pause),
        1 => Just(Luck::Continue),
        1 => Just(Luck::Promote),
    ]
}

fn verdict(number: u8) -> Verdict {
    match number % 8 {
        0 => Verdict::inconclusive("too few requests"),
        1 if number > 200 => Verdict::unhealthy("9% errors"),
        _ => Verdict::healthy("fine"),
    }
}

fn carry_out(rig: &mut Rig, platform: &mut Platform, luck: Luck, number: u8) {
    let at = rig.now;
    let late = matches!(luck, Luck::Late);
    let fails = matches!(luck, Luck::Fails);
    let lost = matches!(luck, Luck::Lost);
    match rig.action().clone() {
        Action::Preflight => rig.tell(Input::Preflighted(Ok(survey()))),
        Action::Look { .. } if fails => rig.tell(Input::Looked(LookReport {
            observed: Err(failure(ErrorKind::Throttled)),
            gates: Vec::new(),
        })),
        Action::Look { .. } => rig.tell(look(platform.read(at, late), verdict(number))),
        Action::Observe if fails => rig.tell(Input::Observed(Err(failure(ErrorKind::Throttled)))),
        Action::Observe => rig.tell(Input::Observed(Ok(platform.read(at, late)))),
        Action::Proceed { pause, green } => {
            assert_eq!(pause, pause_of("hook"));
            let taken = !fails && platform.proceed(at);
            let _ = green;
            rig.tell(Input::Proceeded(answer(taken, lost)))
        }
        Action::RollBack { .. } => {
            let taken = !fails && platform.roll_back(at);
            rig.tell(Input::RollBackSent(answer(taken, lost)))
        }
        Action::Check { .. } => rig.tell(Input::Checked(CheckReport::new("a", "GET /", None))),
        Action::Wait { .. } => rig.pass(),
    };
}

fn answer(taken: bool, lost: bool) -> Result<(), Failure> {
    match (taken, lost) {
        (_, true) => Err(failure(ErrorKind::OutcomeUnknown)),
        (true, false) => Ok(()),
        (false, false) => Err(failure(ErrorKind::Invalid)),
    }
}

proptest! {
    #[test]
    fn keeps_its_promises(script in prop::collection::vec((luck(), any::<u8>()), 20..200)) {
        let mut rig = Rig::new(NativePlan::builder().build().expect("valid"));
        let mut platform = Platform::new();
        let mut script = script.into_iter();
        let mut asked = 0_u32;
        let mut promoted = false;
        let mut aborted = false;
        let mut turns = 0;
        while rig.machine.end().is_none() {
            turns += 1;
            prop_assert!(turns < 50_000, "no end: {:?}", rig.next);
            platform.act(rig.now);
            let (luck, number) = script.next().unwrap_or((Luck::Fine, 7));
            let before = rig.events.len();
            match luck {
                Luck::Crash(happens) => {
                    let is_change = matches!(rig.action().work(), Work::Change { .. });
                    match rig.action().clone() {
                        Action::Proceed { .. } if happens => { platform.proceed(rig.now); }
                        Action::RollBack { .. } if happens => { platform.roll_back(rig.now); }
                        _ => {}
                    }
                    let text = serde_json::to_string(&rig.machine).expect("plain data");
                    rig.machine = serde_json::from_str(&text).expect("the same");
                    rig.tell(Input::Resumed { by: ann() });
                    prop_assert!(
                        !is_change || !matches!(rig.action().work(), Work::Change { restores: false }),
                        "a resumed run reads first"
                    );
                }
                Luck::Abort if rig.machine.started().is_some() => {
                    aborted = true;
                    rig.tell(Input::Control(Control::Abort { by: ann() }));
                }
                Luck::Pause => {
                    rig.tell(Input::Control(Control::Pause { by: ann(), length: None }));
                }
                Luck::Continue => {
                    rig.tell(Input::Control(Control::Continue { by: ann() }));
                }
                Luck::Promote => {
                    promoted = true;
                    rig.tell(Input::Control(Control::Promote { by: ann() }));
                }
                luck => carry_out(&mut rig, &mut platform, luck, number),
            }
            for event in &rig.events[before..] {
                // P1: above zero an answer needs a healthy verdict at this very look, or an override.
                let NativeEvent::Answering { green, overridden, attempt, .. } = event else {
                    continue;
                };
                asked += 1;
                let looked = rig.events.iter().rev().find_map(|one| match one {
                    NativeEvent::Looked { gates, is_old, .. } => Some((gates, *is_old)),
                    _ => None,
                });
                let (gates, is_old) = looked.expect("a look comes before each answer");
                prop_assert!(!is_old);
                if *green > Percent::ZERO && overridden.is_none() {
                    prop_assert!(gates.iter().all(|gate| gate.verdict.is_healthy()), "{attempt}");
                }
                prop_assert!(overridden.is_none() || promoted);
            }
        }
        prop_assert!(platform.answers <= asked, "nothing is continued without being told");
        match rig.machine.end().expect("ended") {
            Ok(NativeOutcome::Promoted { .. }) => {
                prop_assert_eq!(platform.status, NativeStatus::Successful);
            }
            Ok(NativeOutcome::RolledBack { .. }) => {
                prop_assert_eq!(platform.status, NativeStatus::RolledBack);
            }
            Ok(NativeOutcome::Unchanged { .. }) => {
                prop_assert_eq!(platform.answers, 0);
                prop_assert!(aborted);
            }
            Ok(NativeOutcome::Held { reason, .. }) => {
                prop_assert!(false, "nothing asks for that: {reason}");
            }
            Err(unresolved) => {
                // Only a deployment that was complete before the order arrived cannot be put back.
                prop_assert_eq!(platform.status, NativeStatus::Successful, "{}", unresolved);
            }
        }
    }
}
