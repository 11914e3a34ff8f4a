//! The common part of the SDK's clients of all services.

/// A client with the settings of `$config`, one of the two that [`Clients`](super::Clients) holds:
/// it reads the dates of the answers, asks the fence in the last hook before a change leaves, and
/// calls the configured endpoint. Further interceptors come first.
macro_rules! client {
    ($sdk:ident, $to:expr, $config:expr, $endpoint:expr $(, $interceptor:expr)*) => {{
        let to: $crate::aws::api::Clients<'_> = $to;
        let endpoint: Option<&$crate::aws::endpoints::Endpoint> = $endpoint;
        let mut config = $sdk::config::Builder::from($config)
            $(.interceptor($interceptor))*
            .interceptor(to.reader.clone())
            .interceptor($crate::aws::api::last_check::LastCheck);
        config.set_endpoint_url(endpoint.map(|one| one.as_str().to_owned()));
        $sdk::Client::from_conf(config.build())
    }};
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
    use aws_sdk_applicationautoscaling::operation::register_scalable_target::RegisterScalableTargetInput;
    use aws_sdk_ecr::operation::create_repository::CreateRepositoryInput;
    use aws_sdk_elasticloadbalancingv2::operation::modify_rule::ModifyRuleInput;
    use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleInput;
    use aws_smithy_runtime_api::client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    };
    use serde_json::json;

    use crate::{
        aws::{
            Aws,
            api::{ApiError, EcsCall},
        },
        engine::Fence,
        error::{Error, ErrorKind, Result},
    };

    /// A connection that counts the requests that leave, and breaks.
    #[derive(Debug, Clone, Default)]
    struct Wire(Arc<AtomicU32>);

    impl HttpConnector for Wire {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::Relaxed);
            HttpConnectorFuture::ready(Err(ConnectorError::io("reset".into())))
        }
    }

    impl HttpClient for Wire {
        fn http_connector(
            &self,
            _: &HttpConnectorSettings,
            _: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    /// A permit that ends after this many checks.
    #[derive(Debug)]
    struct Permit(AtomicU32);

    impl Fence for Permit {
        fn check(&self) -> Result<()> {
            let left = self.0.load(Ordering::Relaxed);
            if left == 0 {
                return Err(Error::new(ErrorKind::TakenOver, "the permit has ended"));
            }
            self.0.store(left - 1, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Each service with the prefix of its actions, as the service authorization reference has it.
    const SERVICES: [(&str, &str); 5] = [
        ("elb", "elasticloadbalancing"),
        ("ecs", "ecs"),
        ("ecr", "ecr"),
        ("scheduler", "scheduler"),
        ("scaling", "application-autoscaling"),
    ];

    async fn change(aws: &Aws, service: &str) -> ApiError {
        let changed = match service {
            "elb" => {
                let input = ModifyRuleInput::builder().rule_arn("a rule");
                aws.elb.modify_rule(input).await.map(drop)
            }
            "ecs" => {
                let input = json!({ "service": "web" });
                aws.ecs.call(EcsCall::UpdateService, input).await.map(drop)
            }
            "ecr" => {
                let input = CreateRepositoryInput::builder().repository_name("web");
                aws.ecr.create_repository(input).await.map(drop)
            }
            "scheduler" => {
                let input = DeleteScheduleInput::builder().name("a-schedule");
                aws.scheduler.delete_schedule(input).await.map(drop)
            }
            _ => {
                let input = RegisterScalableTargetInput::builder().resource_id("service/a/web");
                aws.scaling.register_scalable_target(input).await.map(drop)
            }
        };
        changed.expect_err("nothing answers")
    }

    #[tokio::test]
    async fn p06_every_service_asks_the_fence_in_the_last_hook_before_a_change_leaves() {
        // The first check is before the call, the second in the last hook.
        for (checks, kind, sent) in [
            (0, ErrorKind::TakenOver, 0),
            (1, ErrorKind::TakenOver, 0),
            (2, ErrorKind::OutcomeUnknown, 1),
        ] {
            for (service, prefix) in SERVICES {
                let wire = Wire::default();
                let credentials = Credentials::new("testing", "testing", None, None, "tests");
                let config = SdkConfig::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new("us-east-1"))
                    .credentials_provider(SharedCredentialsProvider::new(credentials))
                    .http_client(wire.clone())
                    .build();
                let permit = Permit(AtomicU32::new(checks));
                let aws = Aws::from_config(&config).fenced(permit);
                let error = change(&aws, service).await;
                assert_eq!(error.kind, kind, "{service} {checks}: {error:?}");
                assert_eq!(error.service, Some(prefix), "{error:?}");
                assert_eq!(wire.0.load(Ordering::Relaxed), sent, "{service} {checks}");
            }
        }
    }
}
