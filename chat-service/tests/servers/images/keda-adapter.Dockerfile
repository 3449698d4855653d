# Stands in for ghcr.io/kedacore/keda-metrics-apiserver:2.20.2: KEDA's adapter, built from its own module.
FROM scratch
COPY adapter /keda-adapter
USER 65532:65532
ENTRYPOINT ["/keda-adapter"]
