//! Refuses XML that was cut off.
//!
//! The SDK's XML reader takes a document that ends anywhere: a rule that was cut behind a target
//! group's ARN would read as a rule whose weight the API leaves out. HTTP's own framing notices the
//! cut, unless a proxy between AWS and this process has framed the answer anew.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeDeserializationInterceptorContextMut, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http_body::{Body, Frame, SizeHint};

/// The end of the root element's name in every answer of the query protocol.
const END: &[u8] = b"Response>";

/// Fails a successful answer that was cut before its end.
#[derive(Debug)]
pub(super) struct WholeXml;

#[dyn_dispatch_hint]
impl Intercept for WholeXml {
    fn name(&self) -> &'static str {
        "WholeXml"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = response.take_body();
            *response.body_mut() = SdkBody::from_body_1_x(Ending {
                body,
                tail: Vec::new(),
                is_over: false,
            });
        }
        Ok(())
    }
}

/// A body that must end as an answer does.
struct Ending {
    body: SdkBody,
    /// The last bytes of the body that are not white space.
    tail: Vec<u8>,
    is_over: bool,
}

impl Body for Ending {
    type Data = <SdkBody as Body>::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let end = data.iter().rev().filter(|byte| !byte.is_ascii_whitespace());
                    let mut end: Vec<u8> = end.take(END.len()).copied().collect();
                    end.reverse();
                    self.tail.extend(end);
                    let surplus = self.tail.len().saturating_sub(END.len());
                    self.tail.drain(..surplus);
                }
                polled
            }
            Poll::Ready(None) => {
                self.is_over = true;
                if self.tail == END {
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err("the answer was cut off".into())))
            }
            _ => polled,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
