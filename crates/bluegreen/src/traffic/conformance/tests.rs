//! The suite passes a splitter that is right, and catches each way of being wrong.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{error::Error, preflight::Finding, traffic::TargetCounts};

/// A way of being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    RestoresOverAnything,
    RestoresOverNothing,
    None,
    SeesGreenFirst,
    RemembersWeights,
    WritesInPreflight,
    WritesInObserve,
    RoundsToPercents,
    ReturnsWhatWasWanted,
    NeverWrites,
    TouchesTheRest,
    RewritesWhatIsThere,
    IgnoresStaleWeights,
    TakesTheWantedForObserved,
    IgnoresStaleRest,
    WritesThenRefuses,
    RefusesAsInvalid,
    FingerprintsWeights,
    FingerprintsNothing,
    FingerprintsTheInstance,
    Fails,
}

#[derive(Debug, Clone)]
struct Router {
    weights: Sides<u32>,
    port: u16,
    instances: u32,
}

#[derive(Debug)]
struct Toy {
    router: Arc<Mutex<Router>>,
    flaw: Flaw,
    instance: u32,
    remembered: Mutex<Option<Sides<u32>>>,
}

impl Toy {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn look(&self) -> TrafficObservation {
        let router = self.router.lock().unwrap().clone();
        let mut weights = router.weights;
        if self.has(Flaw::RemembersWeights) {
            weights = *self.remembered.lock().unwrap().get_or_insert(weights);
        }
        if self.has(Flaw::SeesGreenFirst) {
            (weights.blue, weights.green) = (weights.green, weights.blue);
        }
        let fingerprint = match self.flaw {
            Flaw::FingerprintsWeights => format!("{}:{}", router.port, weights.green),
            Flaw::FingerprintsNothing => String::new(),
            Flaw::FingerprintsTheInstance => format!("{}:{}", router.port, self.instance),
            _ => router.port.to_string(),
        };
        TrafficObservation::new(weights, Sides::<TargetCounts>::default(), fingerprint)
    }

    fn write(&self, to: TrafficSplit) {
        let mut green = u32::from(to.green().as_tenths());
        if self.has(Flaw::RoundsToPercents) {
            green = green / 10 * 10;
        }
        let weights = Sides {
            blue: 1000 - green,
            green,
        };
        let mut router = self.router.lock().unwrap();
        router.weights = weights;
        if self.has(Flaw::TouchesTheRest) {
            router.port = 8080;
        }
        *self.remembered.lock().unwrap() = Some(weights);
    }
}

#[async_trait]
impl TrafficSplitter for Toy {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        if self.has(Flaw::WritesInPreflight) {
            self.write(TrafficSplit::ALL_BLUE);
        }
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<TrafficObservation> {
        if self.has(Flaw::Fails) {
            return Err(
                Error::new(ErrorKind::Denied, "look").with_source(std::io::Error::other("no key"))
            );
        }
        if self.has(Flaw::WritesInObserve) {
            self.router.lock().unwrap().port = 8080;
        }
        Ok(self.look())
    }

    fn propagation(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    async fn shift(&self, shift: &Shift) -> Result<Shifted> {
        let (from, to) = (&shift.from, shift.to);
        let seen = self.look();
        let is_as_observed = match self.flaw {
            Flaw::RestoresOverAnything if shift.restores() => true,
            Flaw::RestoresOverNothing if shift.restores() => seen.is_same_routing(from),
            _ if shift.restores() => shift.may_replace(&seen),
            Flaw::IgnoresStaleWeights => seen.fingerprint == from.fingerprint,
            Flaw::IgnoresStaleRest => seen.weights == from.weights,
            Flaw::TakesTheWantedForObserved => seen.is_at(to) || seen.is_same_routing(from),
            _ => seen.is_same_routing(from),
        };
        if !is_as_observed {
            if self.has(Flaw::WritesThenRefuses) {
                self.write(to);
            }
            let kind = match self.flaw {
                Flaw::RefusesAsInvalid => ErrorKind::Invalid,
                _ => ErrorKind::Conflict,
            };
            return Err(Error::new(kind, format!("shift to {to}")));
        }
        if self.has(Flaw::RewritesWhatIsThere) || !(seen.is_at(to) || self.has(Flaw::NeverWrites)) {
            self.write(to);
        }
        let mut after = self.look();
        if self.has(Flaw::ReturnsWhatWasWanted) {
            let green = u32::from(to.green().as_tenths());
            after.weights = Sides {
                blue: 1000 - green,
                green,
            };
        }
        Ok(Shifted::Seen(after))
    }
}

#[derive(Debug)]
struct Toys {
    router: Arc<Mutex<Router>>,
    flaw: Flaw,
}

impl Toys {
    fn new(flaw: Flaw) -> Self {
        let router = Router {
            weights: Sides::default(),
            port: 0,
            instances: 0,
        };
        Self {
            router: Arc::new(Mutex::new(router)),
            flaw,
        }
    }
}

#[async_trait]
impl Fixture for Toys {
    async fn reset(&self) -> Result<()> {
        let mut router = self.router.lock().unwrap();
        router.weights = Sides { blue: 1, green: 0 };
        router.port = 80;
        Ok(())
    }

    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
        let mut router = self.router.lock().unwrap();
        router.instances += 1;
        Ok(Box::new(Toy {
            router: Arc::clone(&self.router),
            flaw: self.flaw,
            instance: router.instances,
            remembered: Mutex::new(None),
        }))
    }

    async fn truth(&self) -> Result<Truth> {
        let router = self.router.lock().unwrap();
        Ok(Truth::new(router.weights, format!("port {}", router.port)))
    }

    async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
        self.router.lock().unwrap().weights = weights;
        Ok(())
    }

    async fn change_rest(&self) -> Result<()> {
        self.router.lock().unwrap().port += 1;
        Ok(())
    }
}

async fn failed(flaw: Flaw) -> Vec<Behaviour> {
    match check(&Toys::new(flaw)).await {
        Ok(()) => Vec::new(),
        Err(failure) => failure.failed().map(|(behaviour, _)| behaviour).collect(),
    }
}

#[tokio::test]
async fn a_splitter_that_is_right_passes() {
    assert_eq!(check(&Toys::new(Flaw::None)).await, Ok(()));
}

#[tokio::test]
async fn each_flaw_is_caught_by_what_it_breaks() {
    use Behaviour::*;
    let table = [
        (Flaw::SeesGreenFirst, StartsAllBlue),
        (Flaw::RemembersWeights, ReadsWeights),
        (Flaw::WritesInPreflight, OnlyReads),
        (Flaw::WritesInObserve, OnlyReads),
        (Flaw::RoundsToPercents, ShiftsExactly),
        (Flaw::ReturnsWhatWasWanted, LeavesWhatIsThere),
        (Flaw::NeverWrites, ShiftsExactly),
        (Flaw::TouchesTheRest, KeepsTheRest),
        (Flaw::RewritesWhatIsThere, LeavesWhatIsThere),
        (Flaw::IgnoresStaleWeights, RefusesStaleWeights),
        (Flaw::TakesTheWantedForObserved, RefusesStaleWeights),
        (Flaw::IgnoresStaleRest, RefusesStaleRest),
        (Flaw::WritesThenRefuses, RefusesStaleWeights),
        (Flaw::RefusesAsInvalid, RefusesStaleRest),
        (Flaw::RestoresOverAnything, RestoresOverItsOwn),
        (Flaw::RestoresOverNothing, RestoresOverItsOwn),
        (Flaw::FingerprintsWeights, FingerprintIgnoresWeights),
        (Flaw::FingerprintsNothing, FingerprintSeesTheRest),
        (Flaw::FingerprintsTheInstance, SurvivesJournal),
    ];
    for (flaw, behaviour) in table {
        let failed = failed(flaw).await;
        assert!(
            failed.contains(&behaviour),
            "{flaw:?} only broke {failed:?}"
        );
    }
    for behaviour in Behaviour::ALL {
        let is_tried = table.iter().any(|(_, caught)| *caught == behaviour);
        assert!(is_tried, "no flaw breaks {behaviour:?}");
    }
}

#[tokio::test]
async fn a_flaw_breaks_nothing_that_it_does_not_concern() {
    use Behaviour::*;
    assert_eq!(failed(Flaw::IgnoresStaleRest).await, [RefusesStaleRest],);
    assert_eq!(failed(Flaw::RewritesWhatIsThere).await, [LeavesWhatIsThere]);
    assert_eq!(
        failed(Flaw::FingerprintsNothing).await,
        [RefusesStaleRest, FingerprintSeesTheRest]
    );
}

#[tokio::test]
async fn everything_that_failed_is_said_at_once() {
    let failure = check(&Toys::new(Flaw::Fails)).await.unwrap_err();
    assert_eq!(failure.failed().count(), Behaviour::ALL.len());
    let text = failure.to_string();
    assert!(
        text.starts_with(
            "the splitter fails 12 of 12 behaviours:\n\
             - sees all traffic on blue if blue has it all: observe failed: look: no key (denied)\n"
        ),
        "{text}"
    );
    assert_eq!(text.lines().count(), 13);
}

#[tokio::test]
async fn a_fixture_that_changes_nothing_is_told_so() {
    #[derive(Debug)]
    struct Lazy(Toys);

    #[async_trait]
    impl Fixture for Lazy {
        async fn reset(&self) -> Result<()> {
            self.0.reset().await
        }
        async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
            self.0.splitter().await
        }
        async fn truth(&self) -> Result<Truth> {
            self.0.truth().await
        }
        async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
            self.0.write_weights(weights).await
        }
        async fn change_rest(&self) -> Result<()> {
            Ok(())
        }
    }

    let failure = check(&Lazy(Toys::new(Flaw::None))).await.unwrap_err();
    let said = failure.failed().any(|(behaviour, what)| {
        behaviour == Behaviour::FingerprintSeesTheRest
            && what.starts_with("the fixture itself changed nothing")
    });
    assert!(said, "{failure}");
}
