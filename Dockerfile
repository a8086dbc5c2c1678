FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/shop ./cmd/shop
# Empty directories for volumes: made here, because the final image has no shell to make them. A new volume belongs to whom its directory belongs to.
RUN mkdir /out/data /out/keys

FROM gcr.io/distroless/static:nonroot
COPY --from=build /out/shop /shop
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/keys /keys
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
ENV SHOP_DATA=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/shop"]
# On all addresses, so it asks for an issuer of tokens: -e SHOP_JWT_ISSUER=… -e SHOP_JWT_AUDIENCE=… -e SHOP_JWT_JWKS_URL=…
CMD ["serve", "--addr=0.0.0.0:8080"]
