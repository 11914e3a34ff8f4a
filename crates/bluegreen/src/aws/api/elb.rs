//! Elastic Load Balancing v2.

service! {
    /// The real service.
    ElbApi, RealElb, aws_sdk_elasticloadbalancingv2, "elasticloadbalancing" [super::whole::WholeXml];
    Read describe_rules DescribeRules(DescribeRulesInputBuilder) -> DescribeRulesOutput;
    Read describe_listeners DescribeListeners(DescribeListenersInputBuilder) -> DescribeListenersOutput;
    Read describe_target_groups DescribeTargetGroups(DescribeTargetGroupsInputBuilder) -> DescribeTargetGroupsOutput;
    Read describe_target_group_attributes DescribeTargetGroupAttributes(DescribeTargetGroupAttributesInputBuilder) -> DescribeTargetGroupAttributesOutput;
    Read describe_target_health DescribeTargetHealth(DescribeTargetHealthInputBuilder) -> DescribeTargetHealthOutput;
    Read describe_tags DescribeTags(DescribeTagsInputBuilder) -> DescribeTagsOutput;
    Mutation modify_rule ModifyRule(ModifyRuleInputBuilder) -> ModifyRuleOutput;
    Mutation modify_listener ModifyListener(ModifyListenerInputBuilder) -> ModifyListenerOutput;
    Mutation modify_target_group_attributes ModifyTargetGroupAttributes(ModifyTargetGroupAttributesInputBuilder) -> ModifyTargetGroupAttributesOutput;
    Mutation create_target_group CreateTargetGroup(CreateTargetGroupInputBuilder) -> CreateTargetGroupOutput;
    Mutation delete_target_group DeleteTargetGroup(DeleteTargetGroupInputBuilder) -> DeleteTargetGroupOutput;
    Mutation create_rule CreateRule(CreateRuleInputBuilder) -> CreateRuleOutput;
    Mutation delete_rule DeleteRule(DeleteRuleInputBuilder) -> DeleteRuleOutput;
    Mutation add_tags AddTags(AddTagsInputBuilder) -> AddTagsOutput;
    Mutation remove_tags RemoveTags(RemoveTagsInputBuilder) -> RemoveTagsOutput;
}
