# An image with only the binary and CA certificates.
#
#   docker build -t orgimport .
#   docker run --rm orgimport version
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" --read-only --stop-timeout 40 \
#     -e AUTH0_DOMAIN -e AUTH0_CLIENT_ID -e AUTH0_CLIENT_SECRET \
#     orgimport import members.csv --resume
#
# On SIGTERM, an import finishes the requests in flight, within 25 s. The default
# of docker stop is 10 s.

FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26 AS build
WORKDIR /src
# The modules have a layer of their own, because they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# orgimport version prints the commit that is checked out, from the files of .git
# that .dockerignore includes, or the release given by --build-arg VERSION=v1.2.3.
# The second stage has no C library, so build without cgo.
ARG VERSION=
ARG TARGETOS
ARG TARGETARCH
RUN head=$(cat .git/HEAD 2>/dev/null); ref=${head#ref: }; \
    commit=$(cat ".git/$ref" 2>/dev/null || grep " $ref\$" .git/packed-refs 2>/dev/null || echo "$ref"); \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
      -ldflags "-s -w -X main.release=${VERSION:-$(echo "$commit" | cut -c1-12)}" \
      -o /root-fs/usr/local/bin/orgimport ./cmd/orgimport
# Writable for every user, like /tmp, so that --user works with any id. It is
# created here because the second stage has no shell. A new named volume gets its mode.
RUN mkdir -m 1777 /root-fs/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /root-fs/ /
# A number, because Kubernetes can't tell from a name whether it is root
# (runAsNonRoot).
USER 65532:65532
WORKDIR /data
# Without a shell, the binary is process 1 and gets SIGTERM.
ENTRYPOINT ["/usr/local/bin/orgimport"]
CMD ["--help"]
