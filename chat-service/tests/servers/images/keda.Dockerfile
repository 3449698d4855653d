# Stands in for ghcr.io/kedacore/keda:2.20.2: KEDA's operator, built from its own module.
FROM scratch
COPY operator /keda
USER 65532:65532
ENTRYPOINT ["/keda"]
