//! IAM: what is asked of the role of a dead-man switch. Reads alone.

service! {
    /// The real service. It has one host for a whole partition, which the SDK knows by the region.
    IamApi, RealIam, aws_sdk_iam;
    Read get_role GetRole(GetRoleInputBuilder) -> GetRoleOutput;
    Read simulate_principal_policy SimulatePrincipalPolicy(SimulatePrincipalPolicyInputBuilder) -> SimulatePrincipalPolicyOutput;
}
