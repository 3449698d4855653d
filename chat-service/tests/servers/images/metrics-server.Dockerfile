# Stands in for registry.k8s.io/metrics-server/metrics-server:v0.9.0, built from its own module.
FROM scratch
COPY metrics-server /
USER 65534
ENTRYPOINT ["/metrics-server"]
