//! Simple Notification Service: messages of hooks.

service! {
    /// The real service. A message that comes twice does no harm, and a run that lost its lease still tells
    /// people: so a publish has the retries of a read, and asks no fence.
    SnsApi, RealSns, aws_sdk_sns, "sns";
    Read publish Publish(PublishInputBuilder) -> PublishOutput;
}
