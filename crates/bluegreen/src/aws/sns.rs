//! Topics of SNS as hooks.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_sns::operation::publish::PublishInput;

use super::{Aws, alb::TopicArn, api::SnsApi};
use crate::{
    error::Result,
    migration::{Deliver, Hook, Letter},
};

impl Hook {
    /// Publishes to `topic` at each moment: the JSON as the message, and for e-mail the moment and its line as the
    /// subject. What is published is not signed by this crate; SNS signs what it delivers to a web server
    /// ([SNS](https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html)).
    ///
    /// Needs `sns:Publish` for the topic, and for an encrypted topic `kms:GenerateDataKey` and `kms:Decrypt` for
    /// its key.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sim")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use bluegreen::{aws::sim::Simulation, migration::Hook};
    ///
    /// let aws = Simulation::builder().build().aws();
    /// let topic = "arn:aws:sns:us-east-1:123456789012:releases".parse()?;
    /// let hook = Hook::topic(&aws, topic);
    /// # let _ = hook;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sim"))]
    /// # fn main() {}
    /// ```
    pub fn topic(aws: &Aws, topic: TopicArn) -> Self {
        let sns = Arc::clone(&aws.sns);
        Self::delivered(Topic { sns, topic })
    }
}

struct Topic {
    sns: Arc<dyn SnsApi>,
    topic: TopicArn,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.topic).finish()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.topic)
    }
}

#[async_trait]
impl Deliver for Topic {
    async fn deliver(&self, letter: Letter) -> Result<()> {
        let what = format!("publish to {}", self.topic);
        let input = PublishInput::builder()
            .topic_arn(self.topic.as_str())
            .subject(subject(&letter.title))
            .message(letter.json);
        let published = self.sns.publish(input).await;
        published.map(drop).map_err(|error| error.into_error(what))
    }
}

/// The most characters of a subject
/// ([Publish](https://docs.aws.amazon.com/sns/latest/api/API_Publish.html)).
const LONGEST_SUBJECT: usize = 99;

/// A subject as SNS takes it: printable ASCII without line breaks, beginning with a letter or a digit.
fn subject(title: &str) -> String {
    let plain = title
        .chars()
        .map(|one| match one {
            ' '..='~' => one,
            _ => ' ',
        })
        .take(LONGEST_SUBJECT);
    plain.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{
            Parts,
            api::{ApiError, MockSnsApi},
        },
        error::ErrorKind,
    };

    fn topic(sns: MockSnsApi) -> Topic {
        let parts = Parts {
            sns: Arc::new(sns),
            ..Parts::untouched()
        };
        let aws = Aws::from_parts(parts, None);
        let topic = "arn:aws:sns:us-east-1:123456789012:on-call";
        Topic {
            sns: Arc::clone(&aws.sns),
            topic: topic.parse().expect("an ARN"),
        }
    }

    fn letter() -> Letter {
        Letter {
            title: "bluegreen end: promoted →\nall".to_owned(),
            json: "{\"moment\":\"end\"}".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_whole_request_is_topic_subject_and_message() {
        let mut sns = MockSnsApi::new();
        sns.expect_publish().times(1).returning(|input| {
            let wanted = PublishInput::builder()
                .topic_arn("arn:aws:sns:us-east-1:123456789012:on-call")
                .subject("bluegreen end: promoted   all")
                .message("{\"moment\":\"end\"}");
            assert_eq!(
                input.build().expect("whole"),
                wanted.build().expect("whole")
            );
            Ok(aws_sdk_sns::operation::publish::PublishOutput::builder().build())
        });
        topic(sns).deliver(letter()).await.expect("published");
    }

    #[tokio::test]
    async fn a_right_that_is_missing_is_named() {
        let mut sns = MockSnsApi::new();
        sns.expect_publish().returning(|_| {
            let message = "not authorized to perform: SNS:Publish";
            Err(ApiError::new(
                ErrorKind::Denied,
                "Publish",
                "AuthorizationError",
                message,
            ))
        });
        let error = topic(sns).deliver(letter()).await.expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("sns:Publish")),
            "{error:?}"
        );
    }

    #[test]
    fn a_subject_is_short_plain_text() {
        assert_eq!(subject(&"é".repeat(200)), "");
        assert_eq!(subject(&"x".repeat(200)).len(), 99);
    }
}
