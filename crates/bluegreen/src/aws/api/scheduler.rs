//! EventBridge Scheduler.

service! {
    /// The real service.
    SchedulerApi, RealScheduler, aws_sdk_scheduler, "scheduler";
    Read get_schedule GetSchedule(GetScheduleInputBuilder) -> GetScheduleOutput;
    Mutation create_schedule CreateSchedule(CreateScheduleInputBuilder) -> CreateScheduleOutput;
    Mutation update_schedule UpdateSchedule(UpdateScheduleInputBuilder) -> UpdateScheduleOutput;
    Mutation delete_schedule DeleteSchedule(DeleteScheduleInputBuilder) -> DeleteScheduleOutput;
}
