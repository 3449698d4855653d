"""The gates can fail: a broken copy of every kind of file is caught, each by what should catch it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from api_schemas import problems_of
from cross_checks import problems_between
from rendering import CHART, EVERYTHING, KUBERNETES, MODES, Refused, helm, name_of, rendered

if TYPE_CHECKING:
    from pathlib import Path

HPA = {"autoscaling": {"by": "hpa"}}

# File, what stands in it, what the broken copy has there, and what has to be said.
BROKEN = [
    ("Chart.yaml", "version: 0.1.0\nappVersion", "version: one\nappVersion", "version"),
    ("values.yaml", "replicas: 3", "replicas: three", "/gateway/replicas"),
    ("values.yaml", 'tag: ""', "tag: latest", "/image/tag"),
    ("values.schema.json", '"deadlineSeconds"', '"deadlineSecnds"', "deadlineSeconds"),
    ("environments/prod.yaml", "topologySpread: DoNot", "topologySpread: WillNot", "/topologySpread"),
    ("environments/staging.yaml", "drainSeconds", "drainSecs", "'drainSecs' not allowed"),
    ("environments/dev.yaml", "CHAT_LOG_LEVEL: debug", "CHAT_LOG_LEVEL: loud", "CHAT_LOG_LEVEL"),
    ("clouds/aws.yaml", "cloud: aws", "cloud: asw", "/cloud"),
    ("clouds/gcp.yaml", "port: 443", "port: 70000", "/mongodb/port"),
    ("clouds/azure.yaml", "pattern:", "name:", "'name' not allowed"),
    ("templates/_helpers.tpl", "add $sixth $stop 5", "add $sixth $stop", "killed before it has stopped"),
    ("templates/_helpers.tpl", "CHAT_HOST", "CHAT_HOSTS", "CHAT_HOSTS, which is no setting"),
    (
        "templates/_helpers.tpl",
        '"%s:%s" .Values.image.repository',
        '"%s:latest%.0s" .Values.image.repository',
        "latest",
    ),
    ("templates/_pod.tpl", "livenessProbe:\n", "livenessProb:\n", "livenessProb"),
    ("templates/_pod.tpl", '"chat.probes" "http"', '"chat.probes" "htp"', "of port htp, which it does not have"),
    ("templates/_pod.tpl", "containerPort: 8000", "containerPort: 8001", "the service listens elsewhere"),
    ("templates/_pod.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "not restricted"),
    ("templates/_pod.tpl", "runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
    ("templates/_pod.tpl", "enableServiceLinks: false", "enableServiceLinks: true", "service links"),
    (
        "templates/_pod.tpl",
        "- {name: tmp, mountPath",
        "- {name: temp, mountPath",
        "mounts temp, which is no volume",
    ),
    ("templates/configmap.yaml", "\ndata:", "\ndat:", "'dat' was unexpected"),
    (
        "templates/serviceaccount.yaml",
        "automountServiceAccountToken: false",
        "automount: false",
        "'automount' was",
    ),
    ("templates/statefulset.yaml", "}}-nodes", "}}-node", "Service/chat-node, which does not exist"),
    ("templates/statefulset.yaml", "revisionHistoryLimit: 5", "revisionHistoryLimit: x", "'x' is not of type"),
    ("templates/gateway.yaml", "maxUnavailable: 0", "maxUnvailable: 0", "'maxUnvailable' was unexpected"),
    ("templates/gateway.yaml", "templateName: {{", "templateName: x{{", "AnalysisTemplate/xchat"),
    (
        "templates/analysistemplate.yaml",
        "sum(rate(chat_sends_total",
        "sum(rate(chat_sent_total",
        "chat_sent_total",
    ),
    ("templates/analysistemplate.yaml", "successCondition", "succesCondition", "'succesCondition' was unexpected"),
    (
        "templates/worker.yaml",
        '"component" "worker") | nindent 6',
        '"component" "work") | nindent 6',
        "selects nothing",
    ),
    ("templates/migration.yaml", "backoffLimit", "backofLimit", "'backofLimit' was unexpected"),
    (
        "templates/migration.yaml",
        "CHAT_MONGODB_URI_FILE",
        "CHAT_MONGO_URI_FILE",
        "CHAT_MONGO_URI_FILE, which is no",
    ),
    ("templates/service.yaml", "targetPort: http,", "targetPort: web,", "leads to port web"),
    (
        "templates/service.yaml",
        "type: ClusterIP\n  sessionAffinity",
        "typ: ClusterIP\n  sessionAffinity",
        "'typ' was",
    ),
    ("templates/poddisruptionbudget.yaml", "maxUnavailable: 1", "maxUnavailable: [1]", "[1] is not"),
    ("templates/httproute.yaml", "request: 0s", "request: forever", "forever"),
    ("templates/httproute.yaml", "port: {{ .Values.service.port }}", "port: 8000", "asks for port 8000"),
    ("templates/ingress.yaml", "port: {name: http}", "port: {name: web}", "asks for port web"),
    ("templates/ingress.yaml", "pathType: Prefix", "pathTyp: Prefix", "'pathTyp' was unexpected"),
    ("templates/networkpolicy.yaml", "port: http,", "port: web,", "opens port web"),
    ("templates/networkpolicy.yaml", "podSelector:\n", "podSelctor:\n", "podSel"),
    ("templates/ciliumnetworkpolicy.yaml", "toFQDNs", "toFQDN", "toFQDN"),
    ("templates/istio.yaml", 'ports: ["8000"]', 'ports: ["8080"]', "opens port 8080"),
    ("templates/istio.yaml", "interval: 10s", "interval: 0s", "must be a valid duration"),
    ("templates/istio.yaml", "host: {{ $name }}.", "host: {{ $name }}s.", "Service/chats"),
    ("templates/externalsecret.yaml", "creationPolicy: Owner", "creationPolicy: Mine", "'Mine' is not one of"),
    (
        "templates/externalsecret.yaml",
        "    name: {{ .name }}\n    creation",
        "    name: x{{ .name }}\n    creation",
        "no ExternalSecret makes",
    ),
    ("templates/autoscaling.yaml", "sum(chat_connections", "sum(chat_conections", "chat_conections"),
    (
        "templates/autoscaling.yaml",
        "name: {{ $name }}-{{ $component }}\n  {{- if $keda",
        "name: {{ $name }}\n  {{- if $keda",
        "which does not exist",
    ),
    (
        "templates/autoscaling.yaml",
        "threshold: {{ $bounds.connections | quote }}",
        "threshold: {{ $bounds.connections }}",
        "is not of type 'string'",
    ),
    ("templates/servicemonitor.yaml", "port: metrics", "port: metric", "asks for port metric"),
    ("templates/servicemonitor.yaml", 'scrape: "true"', 'scrape: "yes"', "selects nothing"),
    ("templates/prometheusrule.yaml", "absent(chat_connections", "absent(chat_connection", "chat_connection,"),
    ("templates/prometheusrule.yaml", "for: 5m", "for: soon", "soon"),
    ("templates/tests/round-trip.yaml", "activeDeadlineSeconds: 120", "activeDeadlineSeconds: soon", "'soon'"),
    ("templates/tests/round-trip.yaml", ".svc:{{", ".svc:1{{", "asks for port 180"),
    ("templates/NOTES.txt", "first .Values.hosts", "frist .Values.hosts", "frist"),
]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the chart that may be broken."""
    return shutil.copytree(CHART, tmp_path / "chat")


def ways_to_install(chart: Path, file: str) -> list[tuple[list[str], str]]:
    """Arguments and values of the renderings that a file counts in: its overlay, or every option in both modes."""
    if file.startswith(("environments/", "clouds/")):
        return [([f"--values={chart / file}"], "")]
    return [([], f"mode: {mode}\n{EVERYTHING}") for mode in MODES]


def gates(chart: Path, file: str) -> list[str]:
    """Everything that the gates say against a chart in which a file was changed."""
    said: list[str] = []
    try:
        if not file.startswith("templates/"):
            helm("lint", "--strict", "--quiet", str(chart), f"--kube-version={KUBERNETES}")
        for arguments, values in ways_to_install(chart, file):
            those = rendered(*arguments, chart=chart, values=values)
            said += [f"{name_of(one)} {problem}" for one in those for problem in problems_of(one)]
            said += problems_between(those)
    except Refused as refusal:
        said.append(str(refusal))
    except (KeyError, TypeError):
        # What the schemas have refused need not have the form that the other checks go by.
        assert said
    return said


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("file", ["Chart.yaml", "templates/gateway.yaml", "environments/dev.yaml"])
def test_the_gates_let_the_chart_through(copied: Path, file: str) -> None:
    assert not gates(copied, file)


@pytest.mark.parametrize(("file", "right", "wrong", "said"), BROKEN, ids=lambda text: text[:40])
@pytest.mark.usefixtures("schemas")
def test_a_broken_copy_is_caught(copied: Path, file: str, right: str, wrong: str, said: str) -> None:
    text = (copied / file).read_text()
    assert right in text
    (copied / file).write_text(text.replace(right, wrong))
    assert said in "\n".join(gates(copied, file))


def test_every_file_has_a_broken_copy() -> None:
    files = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}
    assert files - {file for file, *_ in BROKEN} == {"README.md", ".helmignore"}


@pytest.mark.usefixtures("schemas")
def test_a_field_that_does_not_exist_is_caught_in_every_kind() -> None:
    seen = set()
    for one in [*rendered(values=EVERYTHING), *rendered("--set=mode=cluster", values=EVERYTHING)]:
        part = "spec" if "spec" in one else "data" if "data" in one else ""
        broken = yaml.safe_load(yaml.safe_dump(one))
        (broken[part] if part == "spec" else broken)["noSuchField"] = 1
        assert problems_of(broken), name_of(one)
        seen.add(one["kind"])
    assert len(seen) > 15


@pytest.mark.usefixtures("schemas")
def test_a_version_that_is_not_served_is_caught() -> None:
    for one in rendered():
        assert problems_of({**one, "apiVersion": f"{one['apiVersion']}beta9"}), name_of(one)
