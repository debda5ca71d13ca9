# syntax=docker/dockerfile:1
# The image of the service and, as target `demo`, one with the simulated platform and the gateways of examples/.
#
#   docker build -t connection-tracker .
#   docker buildx build --sbom=true --provenance=mode=max -t connection-tracker .     with an SBOM attached
#
# The crates inside are listed in the binary itself (cargo auditable): scanners find them without the SBOM.

FROM rust:1.95-bookworm AS chef
# Before everything of ours, which it does not depend on.
RUN cargo install --locked cargo-chef@0.1.78 cargo-auditable@0.7.7
WORKDIR /src
# Names stay, for backtraces; the numbers of lines would be three quarters of the binary.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo

# What must be compiled apart from our own code: changes only when Cargo.toml or Cargo.lock do.
FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /src/recipe.json .
RUN cargo chef cook --release --locked --recipe-path recipe.json --package connection-tracker
COPY . .
RUN cargo auditable build --release --locked --package connection-tracker --bin connection-tracker

FROM chef AS build-demo
COPY --from=plan /src/recipe.json .
RUN cargo chef cook --release --locked --recipe-path recipe.json --bins --examples \
    --package connection-tracker-simulator --package connection-tracker-client --package connection-tracker-gateway
COPY . .
RUN cargo auditable build --release --locked --bins --examples \
    --package connection-tracker-simulator --package connection-tracker-client --package connection-tracker-gateway

FROM gcr.io/distroless/cc-debian12:nonroot AS demo
COPY --from=build-demo /src/target/release/connection-tracker-simulator \
    /src/target/release/connection-tracker-gateway /src/target/release/examples/demo_gateway /usr/local/bin/
USER 65532:65532

# glibc and certificates; no shell, no package manager. Writes nothing: it runs on a read-only root.
FROM gcr.io/distroless/cc-debian12:nonroot AS service
COPY --from=build /src/target/release/connection-tracker /usr/local/bin/
# By number: Kubernetes cannot hold a name against runAsNonRoot.
USER 65532:65532
EXPOSE 8080 8081
# Alive, not ready: what is unhealthy is restarted, and a database that is away is no reason for that.
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s --retries=3 CMD ["/usr/local/bin/connection-tracker", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/connection-tracker"]
CMD ["serve"]
