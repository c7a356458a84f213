# Builds from the checkout: docker build -t unisono .
# Run, told the address that viewers reach it at (docs/deploy.md):
#   docker run -p 8080:8080 -p 1935:1935 -p 8189:8189/udp -p 8189:8189/tcp -v unisono:/var/lib/unisono unisono serve --advertise 203.0.113.7

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
COPY web/packages ./packages
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake lld nasm pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist ./web/dist
RUN cargo build --release --locked -p unisono-server \
 && install -D -m 0755 target/release/unisono /out/unisono

FROM debian:bookworm-slim
# Webhooks, key sets and ACME are https clients: they need to know the authorities.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/unisono --create-home unisono \
 && chmod 0700 /var/lib/unisono
COPY --from=build /out/unisono /usr/local/bin/unisono
USER unisono
WORKDIR /var/lib/unisono
ENV UNISONO_DATA_DIR=/var/lib/unisono
VOLUME /var/lib/unisono
# HTTP, HTTPS (closed until --https opens it), RTMP, WebRTC media.
EXPOSE 8080/tcp 8443/tcp 1935/tcp 8189/udp 8189/tcp
# Sessions are told that the server goes; `docker stop` waits 10 s, the server needs 5.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["unisono", "health"]
ENTRYPOINT ["unisono"]
CMD ["serve"]
