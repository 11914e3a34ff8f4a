"""What stands on AWS before a migration: load balancer, rule, blue's target group, two ECS services. Made with boto3."""

import boto3

TASKS = 2


class ControlPlane:
    """The clients of moto, whose place is in the environment."""

    def __init__(self):
        self.elb, self.ecs = boto3.client("elbv2"), boto3.client("ecs")
        self.scaling = boto3.client("application-autoscaling")
        self.subnets = [one["SubnetId"] for one in boto3.client("ec2").describe_subnets()["Subnets"]][:2]

    def make_balancer(self, name, group, port):
        """A load balancer with a rule for the chatbot, which forwards to blue's target group. Returns their ARNs."""
        made = self.elb.create_load_balancer(Name=name, Subnets=self.subnets)["LoadBalancers"][0]
        balancer = made["LoadBalancerArn"]
        blue = self.elb.create_target_group(
            Name=group, Protocol="HTTP", Port=port, VpcId=made["VpcId"], TargetType="ip", HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
            UnhealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
        absent = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        listener = self.elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[absent])
        listener = listener["Listeners"][0]["ListenerArn"]
        paths = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/v1/*", "/health", "/metrics/*"]}}
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": blue, "Weight": 100}]}}
        rule = self.elb.create_rule(ListenerArn=listener, Priority=100, Conditions=[paths], Actions=[forward])
        return balancer, listener, rule["Rules"][0]["RuleArn"], blue

    def group(self, name):
        return self.elb.describe_target_groups(Names=[name])["TargetGroups"][0]

    def register(self, group, targets, port):
        """As ECS does once a task runs."""
        self.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": target, "Port": port} for target in targets])

    def health(self, group):
        """The states of a group's targets."""
        seen = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in seen]

    def make_service(self, cluster, name):
        self.ecs.create_cluster(clusterName=cluster)
        container = {"name": "chatbot", "image": f"chatbot-{name}:1", "memory": 256}
        task = self.ecs.register_task_definition(family=f"{cluster}-{name}", containerDefinitions=[container])
        self.ecs.create_service(cluster=cluster, serviceName=name, desiredCount=TASKS,
                                taskDefinition=task["taskDefinition"]["taskDefinitionArn"])

    def let_scale(self, cluster, name, least, most):
        self.scaling.register_scalable_target(
            ServiceNamespace="ecs", ResourceId=f"service/{cluster}/{name}", ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=least, MaxCapacity=most)

    def scales(self, cluster, name):
        """The least and the most tasks between which a service scales."""
        [found] = self.scaling.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[f"service/{cluster}/{name}"])["ScalableTargets"]
        return found["MinCapacity"], found["MaxCapacity"]
