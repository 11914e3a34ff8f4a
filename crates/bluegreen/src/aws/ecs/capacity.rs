//! [`EcsCapacityKeeper`]: keeps a service from being scaled in.

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::{
    operation::{
        describe_scalable_targets::DescribeScalableTargetsInput,
        register_scalable_target::RegisterScalableTargetInput,
    },
    types::{ScalableDimension, ServiceNamespace},
};

use super::EcsServiceDeployer;
use crate::{
    aws::Aws,
    error::{Error, ErrorKind, Result},
    service::quoted,
    traffic::{Capacity, CapacityKeeper, Kept, Released, ScalingRange},
};

/// Keeps one ECS service from being scaled in, through its scalable target of Application Auto
/// Scaling.
///
/// The service's desired count is what runs. The minimum is the scalable target's `MinCapacity`, a
/// lower bound for every policy and for every person who scales through it; nothing else of the
/// target is sent, so the maximum, the role and what is suspended stay
/// ([API](https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html)).
/// If the service runs fewer than the new minimum, AWS starts the rest at once. A service without a
/// scalable target is left alone: none is made.
///
/// # What it does not see
///
/// A scheduled action that sets the minimum, and an `update-service` that sets the desired count:
/// both can still shrink the service.
///
/// # Permissions
///
/// `ecs:DescribeServices`, `application-autoscaling:DescribeScalableTargets` and
/// `application-autoscaling:RegisterScalableTarget`; for the last, AWS requires that its caller has
/// `ecs:UpdateService` too. [`IamPolicy::capacity`](crate::aws::iam::IamPolicy::capacity) has them.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> bluegreen::Result<()> {
/// use bluegreen::aws::{ecs::EcsCapacityKeeper, sim::{Call, Fault, Scaling, Simulation}};
/// use bluegreen::{ErrorKind, traffic::CapacityKeeper};
///
/// let simulation = Simulation::builder().blue_scales(Scaling::between(1, 8)).build();
/// simulation.start_paused();
/// let (cluster, service) = simulation.blue_service();
/// let keeper = EcsCapacityKeeper::new(&simulation.aws(), cluster, service);
///
/// let kept = keeper.observe().await?.to_keep().expect("blue runs 4 and may shrink to 1");
/// keeper.keep(&kept).await?;
/// assert_eq!(simulation.blue_minimum(), Some(4));
///
/// simulation.fail(Call::RegisterScalableTarget.nth(2), Fault::Denied);
/// let error = keeper.release(&kept).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Denied);
/// println!("by hand: {}", kept.release_command().expect("ECS has one"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sim"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct EcsCapacityKeeper {
    service: EcsServiceDeployer,
}

impl EcsCapacityKeeper {
    /// Keeps `service` in `cluster`; names or ARNs. Calls nothing yet.
    pub fn new(aws: &Aws, cluster: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            service: EcsServiceDeployer::new(aws, cluster, service),
        }
    }

    /// The service's name at Application Auto Scaling.
    fn resource(&self) -> String {
        let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
        let (cluster, service) = (name(&self.service.cluster), name(&self.service.service));
        format!("service/{cluster}/{service}")
    }

    /// The command that sets the minimum, without the number at its end.
    fn command(&self) -> String {
        let region = match self.service.aws.region() {
            Some(region) => format!(" --region {}", quoted(region)),
            None => String::new(),
        };
        format!(
            "aws application-autoscaling register-scalable-target{region} --service-namespace ecs \
             --resource-id {} --scalable-dimension ecs:service:DesiredCount --min-capacity",
            quoted(&self.resource())
        )
    }

    /// The range in which the service may be scaled; `None` if it has no scalable target.
    async fn range(&self, attempted: &str) -> Result<Option<ScalingRange>> {
        let resource = self.resource();
        let mut page = None;
        loop {
            let input = DescribeScalableTargetsInput::builder()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .resource_ids(&resource)
                .set_next_token(page);
            let answer = self
                .service
                .aws
                .scaling
                .describe_scalable_targets(input)
                .await
                .map_err(|error| error.into_error(attempted))?;
            let mut targets = answer.scalable_targets().iter();
            if let Some(found) = targets.find(|one| one.resource_id() == resource) {
                let count = |number: i32| u32::try_from(number).unwrap_or_default();
                return Ok(Some(ScalingRange {
                    minimum: count(found.min_capacity()),
                    maximum: count(found.max_capacity()),
                }));
            }
            page = answer.next_token;
            if page.is_none() {
                return Ok(None);
            }
        }
    }

    /// Writes the minimum, and reads it back.
    async fn write(&self, minimum: u32, attempted: &str) -> Result<()> {
        let wanted = i32::try_from(minimum).map_err(|error| {
            Error::new(ErrorKind::Invalid, attempted.to_owned()).with_source(error)
        })?;
        let input = RegisterScalableTargetInput::builder()
            .service_namespace(ServiceNamespace::Ecs)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .resource_id(self.resource())
            .min_capacity(wanted);
        let written = self.service.aws.scaling.register_scalable_target(input);
        written.await.map_err(|error| error.into_error(attempted))?;
        // The write was accepted; if the read fails, the minimum is not known.
        let read = self.range(attempted).await.map_err(|error| {
            let message =
                format!("{attempted}: the minimum was written, but could not be read back");
            Error::new(ErrorKind::OutcomeUnknown, message).with_source(error)
        })?;
        match read {
            Some(range) if range.minimum == minimum => Ok(()),
            read => {
                let found = read.map_or("none".to_owned(), |range| range.minimum.to_string());
                let message =
                    format!("{attempted}: the minimum was written, but {found} was read back");
                Err(Error::new(ErrorKind::OutcomeUnknown, message))
            }
        }
    }
}

#[async_trait]
impl CapacityKeeper for EcsCapacityKeeper {
    async fn observe(&self) -> Result<Capacity> {
        let resource = self.resource();
        let attempted = format!("read the scaling of {resource}");
        let Some((_, service)) = self.service.describe().await? else {
            let message = format!("{attempted}: there is no such service");
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint("check cluster, service, region and account"));
        };
        let capacity = Capacity::new(&resource, service.desired_count).with_command(self.command());
        Ok(match self.range(&attempted).await? {
            Some(range) => capacity.with_range(range),
            None => capacity,
        })
    }

    async fn keep(&self, kept: &Kept) -> Result<()> {
        let attempted = format!(
            "raise the minimum of {} from {} to {}",
            kept.resource, kept.before, kept.minimum
        );
        let found = self.range(&attempted).await?.map(|range| range.minimum);
        if found == Some(kept.minimum) {
            return Ok(());
        }
        if found != Some(kept.before) {
            let found = found.map_or("none".to_owned(), |minimum| minimum.to_string());
            let message = format!("{attempted}: the minimum is {found} now");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        self.write(kept.minimum, &attempted).await
    }

    async fn release(&self, kept: &Kept) -> Result<Released> {
        let attempted = format!(
            "put the minimum of {} back from {} to {}",
            kept.resource, kept.minimum, kept.before
        );
        let found = self.range(&attempted).await?.map(|range| range.minimum);
        if found == Some(kept.before) {
            return Ok(Released::PutBack);
        }
        if found != Some(kept.minimum) {
            return Ok(Released::Changed { minimum: found });
        }
        self.write(kept.before, &attempted).await?;
        Ok(Released::PutBack)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_applicationautoscaling::{
        operation::{
            describe_scalable_targets::DescribeScalableTargetsOutput,
            register_scalable_target::RegisterScalableTargetOutput,
        },
        primitives::DateTime,
        types::ScalableTarget,
    };
    use serde_json::json;

    use super::*;
    use crate::aws::{
        Parts,
        api::{ApiError, EcsCall, MockEcsApi, MockScalingApi},
    };

    const RESOURCE: &str = "service/shop/web";

    fn target(resource: &str, minimum: i32) -> ScalableTarget {
        ScalableTarget::builder()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_id(resource)
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .min_capacity(minimum)
            .max_capacity(8)
            .role_arn("arn:aws:iam::123456789012:role/scaling")
            .creation_time(DateTime::from_secs(0))
            .build()
            .expect("whole")
    }

    fn described(targets: Vec<ScalableTarget>) -> DescribeScalableTargetsOutput {
        DescribeScalableTargetsOutput::builder()
            .set_scalable_targets(Some(targets))
            .build()
    }

    /// A keeper whose service runs 4.
    fn keeper(scaling: MockScalingApi) -> EcsCapacityKeeper {
        let mut ecs = MockEcsApi::new();
        ecs.expect_call().returning(|call, input| {
            assert_eq!(call, EcsCall::DescribeServices);
            assert_eq!(
                (&input["cluster"], &input["services"]),
                (&json!("shop"), &json!(["web"]))
            );
            let service = json!({"serviceName": "web", "status": "ACTIVE", "desiredCount": 4});
            Ok(json!({"services": [service]}))
        });
        let parts = Parts {
            ecs: Arc::new(ecs),
            scaling: Arc::new(scaling),
            ..Parts::untouched()
        };
        let aws = Aws::from_parts(parts, Some("eu-west-1".to_owned()));
        EcsCapacityKeeper::new(&aws, "shop", "web")
    }

    /// A scalable target whose minimum is the last one written.
    fn scaled(minimum: i32, answer: fn() -> Result<(), ApiError>) -> EcsCapacityKeeper {
        let stands = Arc::new(Mutex::new(minimum));
        let mut api = MockScalingApi::new();
        let read = Arc::clone(&stands);
        api.expect_describe_scalable_targets()
            .returning(move |input| {
                assert_eq!(input.get_service_namespace(), &Some(ServiceNamespace::Ecs));
                assert_eq!(input.get_resource_ids(), &Some(vec![RESOURCE.to_owned()]));
                let dimension = Some(ScalableDimension::EcsServiceDesiredCount);
                assert_eq!(input.get_scalable_dimension(), &dimension);
                Ok(described(vec![target(
                    RESOURCE,
                    *read.lock().expect("no panic"),
                )]))
            });
        api.expect_register_scalable_target()
            .returning(move |input| {
                assert_eq!(input.get_service_namespace(), &Some(ServiceNamespace::Ecs));
                assert_eq!(input.get_resource_id().as_deref(), Some(RESOURCE));
                let dimension = Some(ScalableDimension::EcsServiceDesiredCount);
                assert_eq!(input.get_scalable_dimension(), &dimension);
                // Fields that are left out stay as they are.
                assert_eq!(input.get_max_capacity(), &None);
                assert_eq!(input.get_role_arn(), &None);
                assert!(input.get_suspended_state().is_none());
                answer()?;
                *stands.lock().expect("no panic") = input.get_min_capacity().expect("a minimum");
                Ok(RegisterScalableTargetOutput::builder().build())
            });
        keeper(api)
    }

    fn works() -> Result<(), ApiError> {
        Ok(())
    }

    async fn minimum(keeper: &EcsCapacityKeeper) -> u32 {
        let capacity = keeper.observe().await.expect("read");
        capacity.range.expect("scaled").minimum
    }

    #[tokio::test]
    async fn p02_the_minimum_is_raised_and_put_back_and_nothing_else_is_written() {
        let keeper = scaled(1, works);
        let capacity = keeper.observe().await.expect("read");
        assert_eq!(
            (capacity.running, capacity.resource.as_str()),
            (4, RESOURCE)
        );
        let kept = capacity.to_keep().expect("it may shrink");
        assert_eq!((kept.before, kept.minimum), (1, 4));
        assert_eq!(
            kept.release_command().as_deref(),
            Some(
                "aws application-autoscaling register-scalable-target --region eu-west-1 \
                 --service-namespace ecs --resource-id service/shop/web --scalable-dimension \
                 ecs:service:DesiredCount --min-capacity 1"
            )
        );
        for _ in 0..2 {
            keeper.keep(&kept).await.expect("twice is as good as once");
            assert_eq!(minimum(&keeper).await, 4);
        }
        for _ in 0..2 {
            let released = keeper.release(&kept).await.expect("put back");
            assert_eq!(released, Released::PutBack);
            assert_eq!(minimum(&keeper).await, 1);
        }
    }

    #[tokio::test]
    async fn what_a_third_party_has_set_is_left() {
        let keeper = scaled(6, works);
        let kept = Kept::new(RESOURCE, 1, 4);
        let error = keeper.keep(&kept).await.expect_err("not what was seen");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains("the minimum is 6 now"),
            "{error}"
        );
        let released = keeper.release(&kept).await.expect("left");
        assert_eq!(released, Released::Changed { minimum: Some(6) });
        assert_eq!(minimum(&keeper).await, 6);
    }

    #[tokio::test]
    async fn without_a_scalable_target_there_is_nothing_to_keep_and_none_is_made() {
        let mut api = MockScalingApi::new();
        api.expect_describe_scalable_targets()
            .returning(|_| Ok(described(Vec::new())));
        let keeper = keeper(api);
        let capacity = keeper.observe().await.expect("read");
        assert_eq!((capacity.range, capacity.to_keep()), (None, None));
        let kept = Kept::new(RESOURCE, 1, 4);
        let error = keeper.keep(&kept).await.expect_err("nothing scales it");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let released = keeper.release(&kept).await.expect("left");
        assert_eq!(released, Released::Changed { minimum: None });
    }

    #[tokio::test]
    async fn a_target_on_the_second_page_is_found() {
        let mut api = MockScalingApi::new();
        api.expect_describe_scalable_targets().returning(|input| {
            Ok(match input.get_next_token() {
                None => DescribeScalableTargetsOutput::builder()
                    .scalable_targets(target("service/shop/other", 7))
                    .next_token("more")
                    .build(),
                Some(_) => described(vec![target(RESOURCE, 2)]),
            })
        });
        assert_eq!(minimum(&keeper(api)).await, 2);
    }

    #[tokio::test]
    async fn each_kind_of_error_is_told_apart() {
        use ErrorKind::{Denied, Invalid, OutcomeUnknown, Throttled};
        fn denied() -> Result<(), ApiError> {
            Err(ApiError::new(
                Denied,
                "RegisterScalableTarget",
                "AccessDeniedException",
                "no",
            ))
        }
        fn throttled() -> Result<(), ApiError> {
            Err(ApiError::new(
                Throttled,
                "RegisterScalableTarget",
                "ThrottlingException",
                "no",
            ))
        }
        fn lost() -> Result<(), ApiError> {
            Err(ApiError::new(
                OutcomeUnknown,
                "RegisterScalableTarget",
                "InternalServiceException",
                "no",
            ))
        }
        fn invalid() -> Result<(), ApiError> {
            Err(ApiError::new(
                Invalid,
                "RegisterScalableTarget",
                "ValidationException",
                "no",
            ))
        }
        type Answer = fn() -> Result<(), ApiError>;
        let table: [(Answer, ErrorKind); 4] = [
            (denied, Denied),
            (throttled, Throttled),
            (lost, OutcomeUnknown),
            (invalid, Invalid),
        ];
        let kept = Kept::new(RESOURCE, 1, 4);
        for (answer, kind) in table {
            let keeping = scaled(1, answer).keep(&kept).await.expect_err("it fails");
            assert_eq!(keeping.kind(), kind, "{keeping}");
            let releasing = scaled(4, answer)
                .release(&kept)
                .await
                .expect_err("it fails");
            assert_eq!(releasing.kind(), kind, "{releasing}");
        }
    }

    #[tokio::test]
    async fn p10_an_accepted_minimum_that_is_not_read_back_is_not_known() {
        let mut api = MockScalingApi::new();
        api.expect_describe_scalable_targets()
            .returning(|_| Ok(described(vec![target(RESOURCE, 1)])));
        api.expect_register_scalable_target()
            .returning(|_| Ok(RegisterScalableTargetOutput::builder().build()));
        let kept = Kept::new(RESOURCE, 1, 4);
        let error = keeper(api).keep(&kept).await.expect_err("it still reads 1");
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(error.to_string().contains("1 was read back"), "{error}");
    }

    #[test]
    fn arns_give_the_same_resource_as_names() {
        let aws = Aws::from_parts(Parts::untouched(), None);
        let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop";
        let service = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web";
        let keeper = EcsCapacityKeeper::new(&aws, cluster, service);
        assert_eq!(keeper.resource(), RESOURCE);
    }
}
