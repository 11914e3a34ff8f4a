//! CloudWatch.

service! {
    /// The real service.
    CloudWatchApi, RealCloudWatch, aws_sdk_cloudwatch, "cloudwatch";
    Read get_metric_data GetMetricData(GetMetricDataInputBuilder) -> GetMetricDataOutput;
    Read describe_alarms DescribeAlarms(DescribeAlarmsInputBuilder) -> DescribeAlarmsOutput;
}
