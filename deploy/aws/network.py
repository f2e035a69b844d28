# ruff: noqa: D401 - an assertion's docstring says what holds, and check.py shows it
"""Assertions on the network: security groups, routes, endpoints, the listener."""

import json
import re
from collections.abc import Iterator
from typing import Any

from deploy.aws.findings import Finding, each, expect, named, present
from deploy.aws.template import Template, members, resolved, resources

EVERYWHERE = {"0.0.0.0/0", "::/0"}
DATABASE = ("AWS::RDS::DBInstance", "VPCSecurityGroups")
BALANCER = ("AWS::ElasticLoadBalancingV2::LoadBalancer", "SecurityGroups")


def _ingress(template: Template) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Return each inbound rule with the place where it is written and its group."""
    for name, own in each(template, "AWS::EC2::SecurityGroup"):
        for rule in members(own.get("SecurityGroupIngress")):
            yield name, name, rule
    for name, rule in each(template, "AWS::EC2::SecurityGroupIngress"):
        yield name, named(rule.get("GroupId")), rule


def _groups(template: Template, kind: str, key: str) -> set[str | None]:
    return {named(group) for _, own in each(template, kind) for group in members(own.get(key))}


def _machine_groups(template: Template) -> set[str | None]:
    return {
        named(group)
        for _, own in each(template, "AWS::EC2::LaunchTemplate")
        for group in members(own.get("LaunchTemplateData", {}).get("SecurityGroupIds"))
    }


def _ports(rule: dict[str, Any]) -> tuple[int, int]:
    if str(rule.get("IpProtocol")) == "-1":
        return 0, 65535
    return int(rule.get("FromPort", 0)), int(rule.get("ToPort", 65535))


def no_ingress_from_everywhere(template: Template) -> list[Finding]:
    """No port is open to the whole internet."""
    return [
        Finding(name, "named networks or a security group", f"{cidr} on ports {_ports(rule)}")
        for name, _, rule in _ingress(template)
        for cidr in (rule.get("CidrIp"), rule.get("CidrIpv6"))
        if isinstance(cidr, str) and cidr in EVERYWHERE
    ]


def no_remote_login(template: Template) -> list[Finding]:
    """No rule lets SSH or remote desktop in."""
    return [
        Finding(name, f"port {port} closed", f"ports {_ports(rule)} open")
        for name, _, rule in _ingress(template)
        for port in (22, 3389)
        if _ports(rule)[0] <= port <= _ports(rule)[1]
    ]


def database_from_machines_only(template: Template) -> list[Finding]:
    """The database is reached on 5432, from the machines' security group alone."""
    return _link(template, _groups(template, *DATABASE), _machine_groups(template), 5432)


def machines_from_balancer_only(template: Template) -> list[Finding]:
    """The machines are reached on 443, from the load balancer's security group alone."""
    return _link(template, _machine_groups(template), _groups(template, *BALANCER), 443)


def _link(
    template: Template, to: set[str | None], sources: set[str | None], port: int
) -> list[Finding]:
    rules = [(name, rule) for name, group, rule in _ingress(template) if group in to]
    if not rules:
        return [Finding(", ".join(map(str, to)) or "the template", f"port {port} open", "no rule")]
    return [
        Finding(name, f"port {port} from {sources}", f"ports {_ports(rule)} from {_source(rule)}")
        for name, rule in rules
        if _ports(rule) != (port, port) or named(rule.get("SourceSecurityGroupId")) not in sources
    ]


def _source(rule: dict[str, Any]) -> Any:
    return rule.get("SourceSecurityGroupId", rule.get("CidrIp", rule.get("CidrIpv6")))


def balancer_from_allowed_only(template: Template) -> list[Finding]:
    """The load balancer is reached on 443, from AllowedCidrs alone."""
    groups = _groups(template, *BALANCER)
    rules = [(name, rule) for name, group, rule in _ingress(template) if group in groups]
    if not rules:
        return [Finding("the load balancer", "rules for AllowedCidrs", "none")]
    return [
        Finding(name, "443 from AllowedCidrs", f"ports {_ports(rule)} from {_source(rule)}")
        for name, rule in rules
        if _ports(rule) != (443, 443) or "AllowedCidrs" not in json.dumps(rule.get("CidrIp"))
    ]


def allowed_networks_are_asked_for(template: Template) -> list[Finding]:
    """AllowedCidrs has no default, takes networks, and refuses the whole internet."""
    own = template.get("Parameters", {}).get("AllowedCidrs", {})
    if "Default" in own:
        return [Finding("AllowedCidrs", "no default", repr(own["Default"]))]
    pattern = own.get("AllowedPattern", ".*")
    tried = {"203.0.113.0/24,10.0.0.0/8": True, "0.0.0.0/0": False, "10.0.0.0/8,0.0.0.0/1": False}
    return [
        Finding("AllowedCidrs", f"{value} {'taken' if wanted else 'refused'}", pattern)
        for value, wanted in tried.items()
        if bool(re.fullmatch(pattern, value)) != wanted
    ]


def groups_let_little_out(template: Template) -> list[Finding]:
    """Each security group names its outbound ports, and none opens all of them."""
    found = []
    for name, own in each(template, "AWS::EC2::SecurityGroup"):
        rules = members(own.get("SecurityGroupEgress"))
        if not rules:
            found.append(Finding(name, "outbound rules", "none, which means every port"))
        found += [
            Finding(name, "named ports out", f"ports {_ports(rule)} to {rule.get('CidrIp')}")
            for rule in rules
            if _ports(rule) == (0, 65535) and rule.get("CidrIp") in EVERYWHERE
        ]
    return found


def endpoint_has_routes(template: Template) -> list[Finding]:
    """The S3 endpoint is in the route table of every private subnet."""
    kind = "AWS::EC2::VPCEndpoint"
    wanted = {_table_of(template, subnet) for subnet in _machine_subnets(template)}
    found = present(template, kind)
    for name, own in each(template, kind):
        has = {named(table) for table in members(own.get("RouteTableIds"))}
        found += [Finding(name, f"the route table {t}", f"{has}") for t in wanted - has]
    return found


def private_subnets_have_a_way_out(template: Template) -> list[Finding]:
    """The machines' subnets reach the internet by a NAT gateway in a public subnet, and only so."""
    subnets = _machine_subnets(template)
    found = [] if subnets else [Finding("the machines", "private subnets", "none")]
    for size in ("small", "standard"):
        for subnet in subnets:
            route = _default_route(template, _table_of(template, subnet))
            nat = named(resolved(template, route.get("NatGatewayId"), size=size))
            own = template["Resources"].get(nat, {}).get("Properties", {})
            outside = _default_route(template, _table_of(template, named(own.get("SubnetId"))))
            if nat is None or "GatewayId" in route or "GatewayId" not in outside:
                found.append(Finding(f"{subnet} ({size})", "a route out by NAT", f"{route}"))
    return found


def _machine_subnets(template: Template) -> list[str | None]:
    return [
        named(subnet)
        for _, own in each(template, "AWS::AutoScaling::AutoScalingGroup")
        for subnet in resolved(template, own.get("VPCZoneIdentifier"), size="standard") or []
    ]


def _table_of(template: Template, subnet: str | None) -> str | None:
    for _, own in each(template, "AWS::EC2::SubnetRouteTableAssociation"):
        if named(own.get("SubnetId")) == subnet:
            return named(own.get("RouteTableId"))
    return None


def _default_route(template: Template, table: str | None) -> dict[str, Any]:
    for _, own in each(template, "AWS::EC2::Route"):
        of_table = table is not None and named(own.get("RouteTableId")) == table
        if of_table and own.get("DestinationCidrBlock") == "0.0.0.0/0":
            return own
    return {}


def listeners_speak_tls(template: Template) -> list[Finding]:
    """The load balancer listens with TLS 1.2 or newer on 443, and on nothing else."""
    kind = "AWS::ElasticLoadBalancingV2::Listener"
    found = present(template, kind)
    for name, own in each(template, kind):
        found += expect(name, "Protocol", "HTTPS", own.get("Protocol"))
        found += expect(name, "Port", 443, own.get("Port"))
        if not str(own.get("SslPolicy")).startswith("ELBSecurityPolicy-TLS13-1-2-"):
            found.append(
                Finding(name, "an SslPolicy of TLS 1.2 and 1.3", f"{own.get('SslPolicy')}")
            )
        if not own.get("Certificates"):
            found.append(Finding(name, "a certificate", "none"))
    return found


def balancer_is_guarded(template: Template) -> list[Finding]:
    """The load balancer drops bad headers, waits 600 s and, as standard, cannot be deleted."""
    kind = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    wanted = {
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "idle_timeout.timeout_seconds": "600",
        "deletion_protection.enabled": "true",
    }
    found = present(template, kind)
    for name, own in each(template, kind):
        has = {
            each_["Key"]: resolved(template, each_["Value"], size="standard")
            for each_ in own.get("LoadBalancerAttributes", [])
        }
        for key, value in wanted.items():
            found += expect(name, key, value, has.get(key))
    return found


def machines_are_asked_for_health(template: Template) -> list[Finding]:
    """The load balancer speaks TLS to the machines and asks them for /health."""
    kind = "AWS::ElasticLoadBalancingV2::TargetGroup"
    found = present(template, kind)
    for name, own in each(template, kind):
        for key, value in {
            "Protocol": "HTTPS",
            "HealthCheckProtocol": "HTTPS",
            "HealthCheckPath": "/health",
        }.items():
            found += expect(name, key, value, own.get(key))
    return found


def subnets_give_no_public_addresses(template: Template) -> list[Finding]:
    """No subnet gives what starts in it a public address."""
    return [
        Finding(name, "MapPublicIpOnLaunch absent or false", "true")
        for name in resources(template, "AWS::EC2::Subnet")
        if str(template["Resources"][name]["Properties"].get("MapPublicIpOnLaunch"))
        in {"True", "true"}
    ]


ASSERTIONS = (
    no_ingress_from_everywhere,
    no_remote_login,
    database_from_machines_only,
    machines_from_balancer_only,
    balancer_from_allowed_only,
    allowed_networks_are_asked_for,
    groups_let_little_out,
    endpoint_has_routes,
    private_subnets_have_a_way_out,
    subnets_give_no_public_addresses,
    listeners_speak_tls,
    balancer_is_guarded,
    machines_are_asked_for_health,
)
