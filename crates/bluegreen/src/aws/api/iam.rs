//! IAM: questions about the role of a dead-man switch. Reads only.

service! {
    /// The real service. It has one host for a whole partition, which the SDK finds by the region.
    IamApi, RealIam, aws_sdk_iam, "iam";
    Read get_role GetRole(GetRoleInputBuilder) -> GetRoleOutput;
    Read simulate_principal_policy SimulatePrincipalPolicy(SimulatePrincipalPolicyInputBuilder) -> SimulatePrincipalPolicyOutput;
}
