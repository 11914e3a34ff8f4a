//! The behaviour suite on the load balancer's own adapter.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::Action;
use bluegreen::{
    Result, TrafficSplitter,
    aws::alb::{AlbRule, RuleArn},
    traffic::{
        Sides,
        conformance::{self, Fixture, Truth},
    },
};

use crate::topology::{Topology, oidc, path, sticky};

#[tokio::test]
async fn the_splitter_of_a_named_rule_conforms() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 1, 0).await;
    let fixture = OneRule {
        topology,
        rule,
        log_in: vec![oidc()],
    };
    let checked = conformance::check(&fixture).await;
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}

#[tokio::test]
async fn the_splitter_of_a_rule_without_a_log_in_conforms() {
    let Some(topology) = Topology::new().await else {
        return;
    };
    let rule = topology.split_rule(10, 1, 0).await;
    let fixture = OneRule {
        topology,
        rule,
        log_in: Vec::new(),
    };
    let checked = conformance::check(&fixture).await;
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}

#[derive(Debug)]
struct OneRule {
    topology: Topology,
    rule: RuleArn,
    log_in: Vec<Action>,
}

impl OneRule {
    async fn write(&self, split: Action) {
        let actions = self.log_in.iter().cloned().chain([split]).collect();
        self.topology.write(&self.rule, actions).await;
    }
}

#[async_trait]
impl Fixture for OneRule {
    async fn reset(&self) -> Result<()> {
        self.write(self.topology.forward(1, 0)).await;
        let raw = self.topology.raw.modify_rule();
        let conditions = raw.rule_arn(self.rule.as_str()).conditions(path("/10/*"));
        conditions.send().await.unwrap();
        Ok(())
    }

    async fn splitter(&self) -> Result<Box<dyn TrafficSplitter>> {
        let splitter = self.topology.splitter(AlbRule::Arn(self.rule.clone()));
        Ok(Box::new(splitter))
    }

    /// Returns the rule, without the client secret: the emulator drops it, and AWS keeps it.
    async fn truth(&self) -> Result<Truth> {
        let (blue, green) = self.topology.weights(&self.rule).await;
        let weights = Sides { blue, green }.map(|weight| u32::try_from(weight).unwrap());
        let mut rule = self.topology.read(&self.rule).await;
        for action in rule.actions.iter_mut().flatten() {
            for config in action.authenticate_oidc_config.iter_mut() {
                config.client_secret = None;
                config.use_existing_client_secret = None;
                // The emulator returns these parameters in the order of a map.
                config.authentication_request_extra_params = None;
            }
            for config in action.forward_config.iter_mut() {
                for group in config.target_groups.iter_mut().flatten() {
                    group.weight = None;
                }
            }
        }
        Ok(Truth::new(weights, format!("{rule:?}")))
    }

    async fn write_weights(&self, weights: Sides<u32>) -> Result<()> {
        let weights = weights.map(|weight| i32::try_from(weight).unwrap());
        let split = self.topology.forward(weights.blue, weights.green);
        self.write(split).await;
        Ok(())
    }

    async fn change_rest(&self) -> Result<()> {
        let (blue, green) = self.topology.weights(&self.rule).await;
        let split = self.topology.forward(blue, green);
        self.write(sticky(split, 60)).await;
        Ok(())
    }
}
