//! Simple Notification Service as the simulation answers it: the message is kept, and has no subscriber.
//!
//! A hook calls from a thread of its own, where time is real: so a publish looks at no clock and takes no time.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sns::operation::publish::{PublishOutput, builders::PublishInputBuilder};

use super::shared::Shared;
use crate::{
    aws::{
        api::{ApiError, SnsApi},
        sim::fault::{Call, Fault, answer, lost},
    },
    error::ErrorKind,
};

#[derive(Debug)]
pub(in crate::aws::sim) struct SimSns(pub(in crate::aws::sim) Arc<Shared>);

#[async_trait]
impl SnsApi for SimSns {
    async fn publish(&self, input: PublishInputBuilder) -> Result<PublishOutput, ApiError> {
        let call = Call::Publish;
        let fault = self.0.fault_of(call);
        let text = input.get_message().clone().unwrap_or_default();
        let denied = |code| {
            Err(answer(
                call,
                ErrorKind::Denied,
                code,
                "not authorized to perform Publish",
            ))
        };
        match fault {
            None | Some(Fault::ThirdPartyWrite { .. }) => {
                let number = self.0.publish(text);
                Ok(PublishOutput::builder()
                    .message_id(number.to_string())
                    .build())
            }
            Some(Fault::Throttle) => {
                let message = "Rate exceeded";
                Err(answer(call, ErrorKind::Throttled, "Throttled", message))
            }
            Some(Fault::Denied) => denied("AuthorizationError"),
            Some(Fault::Expired) => denied("ExpiredTokenException"),
            Some(Fault::Missing) => {
                let message = "Topic does not exist";
                Err(answer(call, ErrorKind::NotFound, "NotFound", message))
            }
            Some(Fault::HangBeforeEffect | Fault::HangAfterEffect) => std::future::pending().await,
            Some(_) => Err(lost(call, "no answer within 10 s")),
        }
    }
}
