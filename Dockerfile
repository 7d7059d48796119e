# docker build -t botwatch .
# docker run -p 127.0.0.1:9095:9095 -v botwatch:/var/lib/botwatch --env-file .env botwatch

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY rules rules
COPY docs docs
COPY tests tests
RUN cargo build --release --locked --package botwatch --bin botwatch

FROM debian:bookworm-slim
# TLS trusts the system's roots.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 botwatch \
 && useradd --uid 65532 --gid 65532 --no-create-home --shell /usr/sbin/nologin botwatch \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/botwatch
COPY --from=build /build/target/release/botwatch /usr/local/bin/botwatch
ENV STATE_DIRECTORY=/var/lib/botwatch
VOLUME /var/lib/botwatch
USER 65532:65532
EXPOSE 9095
# bash speaks enough HTTP; a client of its own would be bigger than botwatch.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9095 && printf 'GET /-/healthy HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["botwatch"]
CMD ["run", "--web.listen-address=0.0.0.0:9095"]
