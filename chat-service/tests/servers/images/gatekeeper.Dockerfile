# Stands in for docker.io/openpolicyagent/gatekeeper:v3.23.0: Gatekeeper, built from its own module.
FROM scratch
COPY gatekeeper /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
