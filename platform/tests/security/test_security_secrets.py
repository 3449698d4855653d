"""Secrets come from the cloud's manager, keep to the Secret contract, and none is in this repository."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from security_rooms import CLUSTERS, SECURITY, WORKLOAD, Cluster, of_chat, of_kind, of_room

from manifests import REPOSITORY, objects
from rendering import Object, pick, rendered

CONTRACT = ["uri", "host", "port", "username", "password", "ca.crt", "provider"]
PROVIDERS = {"aws": "aws", "gcp": "gcpsm", "azure": "azurekv"}
MANAGEMENT = Cluster("mgmt", "aws")
_STATIC = re.compile(
    r"accessKeyID|secretAccessKey|authSecretRef|secretRef|clientSecret|ManagedIdentity|ServicePrincipal"
)


def static_keys(store: Object) -> list[str]:
    """What of a store's provider is a key somebody would have to keep."""
    return _STATIC.findall(yaml.safe_dump(store["spec"]["provider"]))


@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_a_cluster_reads_from_the_manager_of_its_own_cloud_by_its_identity(cluster: Cluster) -> None:
    store = next(
        one
        for one in of_kind(of_room("secrets", cluster), "ClusterSecretStore")
        if one["metadata"]["name"] == "chat"
    )
    assert [*store["spec"]["provider"]] == [PROVIDERS[cluster.cloud]]
    assert not static_keys(store)
    text = yaml.safe_dump(store)
    assert "ENVIRONMENT" not in text
    if cluster.cloud != "aws":
        assert f"chat-{cluster.environment}" in text


@pytest.mark.parametrize("cluster", WORKLOAD, ids=str)
def test_there_is_one_store_and_the_chart_asks_for_it(cluster: Cluster) -> None:
    (store,) = of_kind(of_room("secrets", cluster), "ClusterSecretStore")
    asking = of_kind(
        (*of_room("secrets", cluster), *of_room("image-policy", cluster), *of_chat(cluster)), "ExternalSecret"
    )
    readers = store["spec"]["conditions"][0]["namespaces"]
    for one in asking:
        ref = one["spec"]["secretStoreRef"]
        assert (ref["kind"], ref["name"]) == ("ClusterSecretStore", store["metadata"]["name"])
        assert one["metadata"]["namespace"] in readers
        # A store that is away, or an entry that is, must not take the Secret from pods that run.
        assert one["spec"]["target"].get("deletionPolicy", "Retain") == "Retain"


def test_every_reader_of_the_store_is_known() -> None:
    """Whoever asks for a secret anywhere in the platform asks from a namespace that may."""
    readers = {*pick(of_room("secrets", WORKLOAD[0]), "ClusterSecretStore")["spec"]["conditions"][0]["namespaces"]}
    for one in objects():
        if one.content["kind"] == "ExternalSecret" and one.content["spec"]["secretStoreRef"]["name"] == "chat":
            assert one.content["metadata"]["namespace"] in readers, one


@pytest.mark.parametrize("cluster", [one for one in WORKLOAD if one.environment != "dev"], ids=str)
def test_the_account_of_the_chart_s_test_is_made(cluster: Cluster) -> None:
    wanted = next(
        volume["secret"]["secretName"]
        for one in of_kind(of_chat(cluster), "Pod")
        for volume in one["spec"]["volumes"]
        if volume["name"] == "account"
    )
    assert pick(of_room("secrets", cluster), "ExternalSecret", wanted)["metadata"]["namespace"] == "chat"


def sample(name: str) -> Any:
    return yaml.safe_load((SECURITY / "secrets" / "samples" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", ["chat-mongodb", "chat-redis"])
def test_the_samples_are_what_the_chart_makes(name: str) -> None:
    made = pick(of_chat(Cluster("prod", "aws")), "ExternalSecret", name)
    given = sample(name)
    for key in ("refreshInterval", "secretStoreRef", "target"):
        assert given["spec"][key] == made["spec"][key]
    keys = {one["remoteRef"]["key"] for one in given["spec"].get("data", [])}
    keys |= {one["extract"]["key"] for one in given["spec"].get("dataFrom", [])}
    assert keys == {one["extract"]["key"] for one in made["spec"]["dataFrom"]}


def test_the_sample_has_every_field_of_the_contract() -> None:
    fields = sample("chat-mongodb")["spec"]["data"]
    assert [one["secretKey"] for one in fields] == CONTRACT
    assert all(one["remoteRef"]["property"] == one["secretKey"] for one in fields)


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_what_crossplane_makes_goes_to_every_cloud_of_its_environment_and_nowhere_else(environment: str) -> None:
    those = of_room("secrets", MANAGEMENT)
    pushed = [one for one in of_kind(those, "PushSecret") if one["metadata"]["namespace"] == f"chat-{environment}"]
    chart = rendered(
        f"--values={REPOSITORY}/helm/chat/environments/prod.yaml",
        f"--values={REPOSITORY}/helm/chat/clouds/aws.yaml",
    )
    read = {one["spec"]["dataFrom"][0]["extract"]["key"] for one in of_kind(chart, "ExternalSecret")}
    assert {one["spec"]["data"][0]["match"]["remoteRef"]["remoteKey"] for one in pushed} == read | {"chat-tls"}
    for one in pushed:
        (ref,) = one["spec"]["secretStoreRefs"]
        reached = [
            store
            for store in of_kind(those, "ClusterSecretStore")
            if ref["labelSelector"]["matchLabels"].items() <= store["metadata"].get("labels", {}).items()
        ]
        assert {next(iter(store["spec"]["provider"])) for store in reached} == {*PROVIDERS.values()}
        for store in reached:
            assert store["spec"]["conditions"] == [{"namespaces": [f"chat-{environment}"]}]
            assert not static_keys(store)
            assert f"chat-{environment}" in yaml.safe_dump(store)


def test_the_certificate_is_for_the_name_that_people_come_by() -> None:
    those = of_room("secrets", MANAGEMENT)
    for cluster in (Cluster(environment, "aws") for environment in ("dev", "staging", "prod")):
        certificate = next(
            one
            for one in of_kind(those, "Certificate")
            if one["metadata"]["namespace"] == f"chat-{cluster.environment}"
        )
        assert certificate["spec"]["dnsNames"] == pick(of_chat(cluster), "HTTPRoute")["spec"]["hostnames"]
        assert certificate["spec"]["issuerRef"]["name"] == pick(those, "ClusterIssuer")["metadata"]["name"]


def test_no_secret_is_committed() -> None:
    """Neither plain nor sealed: ADR 0015."""
    assert not [str(one) for one in objects() if one.content["kind"] in {"Secret", "SealedSecret"}]


def test_a_key_in_a_store_is_caught() -> None:
    store = copy.deepcopy(pick(of_room("secrets", WORKLOAD[0]), "ClusterSecretStore"))
    store["spec"]["provider"]["aws"]["auth"] = {"secretRef": {"accessKeyIDSecretRef": {"name": "keys"}}}
    assert static_keys(store)
