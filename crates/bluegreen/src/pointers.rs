//! Every role is implemented for pointers to it, with every method.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    check::{HttpClient, ServiceCheck},
    clock::Clock,
    engine::{Fence, Journal, Record, RequestStorage},
    error::{Error, ErrorKind, Result},
    health::{HealthGate, Judge, JudgeFactory, MetricSource},
    image::{ImageBuilder, ImageRef, ImageRegistry},
    preflight::Finding,
    service::{
        ByHand, DeploymentId, DeploymentProgress, Registration, RevisionId, ServiceDeployer,
        ServiceObservation, Update,
    },
    traffic::{CapacityKeeper, DeadManSwitch, TrafficSplitter, conformance::Fixture},
};

/// Compiles only if each role holds for its own trait object in an `Arc` and in a `Box`, and counts them.
macro_rules! held {
    ($($role:path),+ $(,)?) => {{
        let mut held = 0;
        $({
            fn takes<T: $role>() {}
            takes::<Arc<dyn $role>>();
            takes::<Box<dyn $role>>();
            takes::<Arc<Box<dyn $role>>>();
            held += 1;
        })+
        held
    }};
}

#[test]
fn every_role_holds_in_an_arc_and_in_a_box() {
    let held = held![
        CapacityKeeper,
        Clock,
        DeadManSwitch,
        Fence,
        Fixture,
        HealthGate,
        HttpClient,
        ImageBuilder,
        ImageRegistry,
        Journal,
        JudgeFactory,
        MetricSource,
        RequestStorage,
        ServiceCheck,
        ServiceDeployer,
        TrafficSplitter,
    ];
    assert_eq!(held, 16);
    #[cfg(feature = "store")]
    assert_eq!(held![crate::store::RecordStorage], 1);
    // A judge changes with each observation, so it is not shared.
    fn judges<T: Judge>() {}
    judges::<Box<dyn Judge>>();
}

/// Gives other answers than the defaults of its roles.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Told {
    fn called(&self, method: &'static str) {
        self.0.lock().unwrap().push(method);
    }
}

#[async_trait]
impl Journal for Told {
    async fn append(&self, _: Record) -> Result<()> {
        self.called("append");
        Ok(())
    }

    async fn heartbeat(&self) -> Error {
        self.called("heartbeat");
        Error::new(ErrorKind::TakenOver, "keep the claim")
    }

    fn requests(&self) -> Option<Arc<dyn RequestStorage>> {
        self.called("requests");
        None
    }

    async fn close(&self) -> Result<()> {
        self.called("close");
        Ok(())
    }
}

#[async_trait]
impl ServiceDeployer for Told {
    async fn preflight(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn observe(&self) -> Result<Option<ServiceObservation>> {
        Ok(None)
    }

    async fn register(&self, _: &ImageRef) -> Result<Registration> {
        pending().await
    }

    async fn update(&self, _: &Update) -> Result<DeploymentId> {
        pending().await
    }

    async fn follow(&self, _: &DeploymentId) -> Result<DeploymentProgress> {
        pending().await
    }

    fn propagation(&self) -> Duration {
        Duration::ZERO
    }

    async fn resolve(&self, revision: &RevisionId) -> Result<RevisionId> {
        Ok(RevisionId::new(format!("{revision}:7")))
    }

    fn by_hand(&self) -> Option<ByHand> {
        Some(ByHand {
            run: "run".into(),
            run_nothing: "stop".into(),
        })
    }
}

#[tokio::test]
async fn a_pointer_forwards_what_has_a_default_too() {
    async fn tell(journal: impl Journal) {
        let _ = journal.heartbeat().await;
        let _ = journal.requests();
        journal.close().await.unwrap();
    }
    let told = Arc::new(Told::default());
    tell(Arc::clone(&told) as Arc<dyn Journal>).await;
    tell(Box::new(Arc::clone(&told)) as Box<dyn Journal>).await;
    let once = ["heartbeat", "requests", "close"];
    assert_eq!(*told.0.lock().unwrap(), [once, once].concat());

    async fn asked(deployer: impl ServiceDeployer) -> (String, bool) {
        let resolved = deployer.resolve(&RevisionId::new("chat")).await.unwrap();
        (resolved.to_string(), deployer.by_hand().is_some())
    }
    let wanted = ("chat:7".to_owned(), true);
    let shared: Arc<dyn ServiceDeployer> = Arc::clone(&told) as _;
    assert_eq!(asked(shared).await, wanted);
    let owned: Box<dyn ServiceDeployer> = Box::new(told);
    assert_eq!(asked(owned).await, wanted);
}
