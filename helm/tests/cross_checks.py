"""What no schema sees: whether the objects of a release fit together, and fit the service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import Metric

from chat_service.environment import variables
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings
from rendering import NAMESPACE, Object, name_of, pod_of

_METRIC = re.compile(r"\bchat_[a-z_]+\b")
_PINNED = re.compile(r"[a-z0-9.:/_-]+(@sha256:[0-9a-f]{64}|:(?!latest$)[A-Za-z0-9_][\w.-]*)")
_FROM_OUTSIDE = {"Secret", "PersistentVolumeClaim", "PriorityClass"}
"""Kinds that a release may name without having them: whoever installs it brings them."""


def problems_between(those: Sequence[Object]) -> list[str]:
    """Everything that does not fit, a sentence each."""
    checks = (_selectors, _references, _ports, _pods, _stopping, _metrics, _variables)
    return [problem for check in checks for problem in check(those)]


def _pods_of(those: Sequence[Object]) -> list[tuple[Object, Object]]:
    return [(one, pod) for one in those if (pod := pod_of(one)) is not None]


def _matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels are selected by a selector with matchLabels and matchExpressions."""
    wanted = selector.get("matchLabels", {}).items()
    within = ((rule["key"], rule["values"]) for rule in selector.get("matchExpressions", []))
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(key) in values for key, values in within
    )


def _selectors(those: Sequence[Object]) -> Iterator[str]:
    """Every selector selects pods, or Services, of this release; a workload's own pods are among them."""
    labels = [pod["metadata"].get("labels", {}) for _, pod in _pods_of(those)]
    services = [one["metadata"]["labels"] for one in those if one["kind"] == "Service"]
    for one in those:
        spec = one.get("spec", {})
        among = labels
        match one["kind"]:
            case "Service":
                selector = {"matchLabels": spec["selector"]}
            case "ServiceMonitor":
                selector, among = spec["selector"], services
            case "NetworkPolicy":
                selector = spec["podSelector"]
            case "CiliumNetworkPolicy":
                selector = spec["endpointSelector"]
            case "Deployment" | "StatefulSet" | "Rollout":
                selector, among = spec["selector"], [spec["template"]["metadata"]["labels"]]
            case "PodDisruptionBudget" | "PeerAuthentication" | "AuthorizationPolicy":
                selector = spec["selector"]
            case _:
                continue
        if not any(_matches(selector, some) for some in among):
            yield f"{name_of(one)} selects nothing"


def _references(those: Sequence[Object]) -> Iterator[str]:
    """Every name that is referred to is one of this release, or of a kind that comes from outside."""
    there = {(one["kind"], one["metadata"]["name"]) for one in those}
    there |= {("ServiceAccount", "default")}
    for one in those:
        for kind, name in _named(one):
            if (kind, name) not in there and kind not in _FROM_OUTSIDE:
                yield f"{name_of(one)} refers to {kind}/{name}, which does not exist"
    external = {one["spec"]["target"]["name"] for one in those if one["kind"] == "ExternalSecret"}
    if external:
        mounted = {name for one in those if one["kind"] != "Pod" for kind, name in _named(one) if kind == "Secret"}
        yield from (f"no ExternalSecret makes Secret/{name}" for name in sorted(mounted - external))


def _named(one: Object) -> Iterator[tuple[str, str]]:
    """Kind and name of whatever an object refers to."""
    spec = one.get("spec", {})
    match one["kind"]:
        case "StatefulSet":
            yield "Service", spec["serviceName"]
        case "HTTPRoute":
            yield from (("Service", ref["name"]) for rule in spec["rules"] for ref in rule["backendRefs"])
        case "Ingress":
            paths = (path for rule in spec["rules"] for path in rule["http"]["paths"])
            yield from (("Service", path["backend"]["service"]["name"]) for path in paths)
        case "DestinationRule":
            yield "Service", spec["host"].removesuffix(f".{NAMESPACE}.svc.cluster.local")
        case "ScaledObject" | "HorizontalPodAutoscaler":
            yield spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]
        case "Rollout":
            steps = (step["analysis"] for step in spec["strategy"]["canary"]["steps"] if "analysis" in step)
            yield from (("AnalysisTemplate", one["templateName"]) for step in steps for one in step["templates"])
    pod = pod_of(one)
    if pod is not None:
        yield from _named_by_pod(pod["spec"])


def _named_by_pod(spec: Object) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", spec.get("serviceAccountName", "default")
    if "priorityClassName" in spec:
        yield "PriorityClass", spec["priorityClassName"]
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in spec["containers"]:
        yield from (("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", []))


def _ports(those: Sequence[Object]) -> Iterator[str]:
    """Ports that are named lead to ports that are there, from the route to the process."""
    services = {one["metadata"]["name"]: one for one in those if one["kind"] == "Service"}
    pods = _pods_of(those)
    for name, service in services.items():
        for port in service["spec"]["ports"]:
            for one, pod in pods:
                chosen = _matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
                if chosen and port["targetPort"] not in _ports_of(pod):
                    yield f"Service/{name} leads to port {port['targetPort']}, which {name_of(one)} does not have"
    for one in those:
        yield from _ports_asked_for(one, services, pods)
    settings: dict[str, str] = next((one["data"] for one in those if one["kind"] == "ConfigMap"), {})
    for one, pod in pods:
        for port in (port for each in pod["spec"]["containers"] for port in each.get("ports", [])):
            variable = {"http": "CHAT_PORT", "metrics": "CHAT_METRICS_PORT"}.get(port["name"])
            if str(port["containerPort"]) != settings.get(variable or ""):
                yield f"{name_of(one)} names port {port['containerPort']}, and the service listens elsewhere"


def _ports_of(pod: Object) -> dict[str, int]:
    ports = (port for each in pod["spec"]["containers"] for port in each.get("ports", []))
    return {port["name"]: port["containerPort"] for port in ports}


def _ports_asked_for(
    one: Object, services: dict[str, Object], pods: Sequence[tuple[Object, Object]]
) -> Iterator[str]:
    """Ports of Services that routes, monitors and tests ask for, and ports of pods that policies open."""
    for name, port in _asked_of_services(one, services):
        has = services.get(name, {"spec": {"ports": []}})["spec"]["ports"]
        if port not in {value for each in has for value in (each["port"], each["name"])}:
            yield f"{name_of(one)} asks for port {port} of Service/{name}, which does not have it"
    if one["kind"] == "NetworkPolicy":
        opened = {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]}
        named = {port for port in opened if isinstance(port, str)}
        for other, pod in pods:
            if _matches(one["spec"]["podSelector"], pod["metadata"]["labels"]):
                for name in sorted(named - _ports_of(pod).keys()):
                    yield f"{name_of(one)} opens port {name}, which {name_of(other)} does not have"
    if one["kind"] == "AuthorizationPolicy":
        ports = {port for rule in one["spec"]["rules"] for to in rule["to"] for port in to["operation"]["ports"]}
        known = {str(port) for _, pod in pods for port in _ports_of(pod).values()}
        yield from (f"{name_of(one)} opens port {port}, which nobody has" for port in sorted(ports - known))


def _asked_of_services(one: Object, services: dict[str, Object]) -> Iterator[tuple[str, Any]]:
    """Names of Services with the port, by name or number, that an object asks them for."""
    spec = one.get("spec", {})
    match one["kind"]:
        case "HTTPRoute":
            yield from ((ref["name"], ref["port"]) for rule in spec["rules"] for ref in rule["backendRefs"])
        case "Ingress":
            backends = (path["backend"]["service"] for rule in spec["rules"] for path in rule["http"]["paths"])
            yield from ((one["name"], one["port"].get("name") or one["port"].get("number")) for one in backends)
        case "ServiceMonitor":
            for name, service in services.items():
                if _matches(spec["selector"], service["metadata"]["labels"]):
                    yield from ((name, endpoint["port"]) for endpoint in spec["endpoints"])
        case "Pod":
            for text in (text for container in spec["containers"] for text in container["args"]):
                if found := re.fullmatch(r"http://([^.]+)\.[^:]+:(\d+)", text):
                    yield found[1], int(found[2])


def _pods(those: Sequence[Object]) -> Iterator[str]:
    """Pods pass the Pod Security level `restricted` and more, pin their image, and mount what they have."""
    for one, pod in _pods_of(those):
        name, spec = name_of(one), pod["spec"]
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} takes service links, which look like settings"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} mounts a token of the API"
        security = spec.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or security.get("seccompProfile") != {
            "type": "RuntimeDefault"
        }:
            yield f"{name} may run as root or without seccomp"
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        for container in spec["containers"]:
            yield from (f"{name} {problem}" for problem in _container(container, volumes))
        if one["kind"] in {"Deployment", "StatefulSet", "Rollout"}:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = spec["containers"][0].get(probe)
                if asked is None:
                    yield f"{name} has no {probe}"
                elif asked["httpGet"]["port"] not in _ports_of(pod):
                    yield f"{name} asks its {probe} of port {asked['httpGet']['port']}, which it does not have"


def _container(container: Object, volumes: set[str]) -> Iterator[str]:
    if not _PINNED.fullmatch(container["image"]):
        yield f"runs {container['image']}, which is no pinned image"
    wanted = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if container.get("securityContext") != wanted:
        yield "is not restricted as it could be"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get(
        "limits", {}
    ):
        yield "does not say what it needs"
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is no volume"


def _stopping(those: Sequence[Object]) -> Iterator[str]:
    """What stops has the time for it: the pause before SIGTERM and then what the service takes."""
    settings: dict[str, str] = next((one["data"] for one in those if one["kind"] == "ConfigMap"), {})
    for one, pod in _pods_of(those):
        if one["kind"] not in {"Deployment", "StatefulSet", "Rollout"}:
            continue
        hook = pod["spec"]["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        needed = hook.get("seconds", 0) + float(settings["CHAT_STOP_TIMEOUT_S"])
        if pod["spec"].get("terminationGracePeriodSeconds", 30) <= needed:
            yield f"{name_of(one)} is killed before it has stopped"


def _metrics(those: Sequence[Object]) -> Iterator[str]:
    """Series that alerts, analyses and scalers ask for are ones that the service has."""
    known = {series for metric in Metrics().registry.collect() for series in _series(metric)}
    for one in those:
        if one["kind"] not in {"PrometheusRule", "AnalysisTemplate", "ScaledObject"}:
            continue
        for query in _queries(one["spec"]):
            for series in _METRIC.findall(query):
                if series not in known:
                    yield f"{name_of(one)} asks for {series}, which the service does not have"


def _series(metric: Metric) -> set[str]:
    match metric.type:
        case "counter":
            return {f"{metric.name}_total"}
        case "histogram":
            return {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")}
    return {metric.name}


def _queries(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"expr", "query"}:
                yield item
            else:
                yield from _queries(item)
    elif isinstance(value, list):
        for item in value:
            yield from _queries(item)


def _variables(those: Sequence[Object]) -> Iterator[str]:
    """Variables that pods are given are ones that the service knows."""
    known = {name for variable in variables(Settings) for name in variable.names}
    given = [(one, one["data"].keys()) for one in those if one["kind"] == "ConfigMap"]
    for one, pod in _pods_of(those):
        given += [(one, [each["name"] for each in box.get("env", [])]) for box in pod["spec"]["containers"]]
    for one, names in given:
        yield from (f"{name_of(one)} sets {name}, which is no setting" for name in sorted({*names} - known))
