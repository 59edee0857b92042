# An image of nothing but the binary and CA certificates.
#
#   docker build -t orgimport .
#   docker run --rm orgimport version
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" --read-only --stop-timeout 40 \
#     -e AUTH0_DOMAIN -e AUTH0_CLIENT_ID -e AUTH0_CLIENT_SECRET \
#     orgimport import members.csv --resume
#
# docker stop kills after 10 s unless told otherwise. An import that is stopped
# lets the requests on the wire finish, which may take 25 s.

FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26 AS build
WORKDIR /src
# The modules are a layer of their own: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# orgimport version prints the commit that is checked out, which stands in the
# files of .git that .dockerignore lets in; --build-arg VERSION=v1.2.3 names a
# release. Without cgo it needs no C library, which the second stage has none of.
ARG VERSION=
ARG TARGETOS
ARG TARGETARCH
RUN head=$(cat .git/HEAD 2>/dev/null); ref=${head#ref: }; \
    commit=$(cat ".git/$ref" 2>/dev/null || grep " $ref\$" .git/packed-refs 2>/dev/null || echo "$ref"); \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
      -ldflags "-s -w -X main.release=${VERSION:-$(echo "$commit" | cut -c1-12)}" \
      -o /root-fs/usr/local/bin/orgimport ./cmd/orgimport
# Open to every user, like /tmp, so that --user works with any id. It is made
# here because the second stage has no shell; a new named volume takes its mode.
RUN mkdir -m 1777 /root-fs/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /root-fs/ /
# By number: Kubernetes can't tell from a name whether it is root's
# (runAsNonRoot).
USER 65532:65532
WORKDIR /data
# No shell in between: the binary is process 1, and SIGTERM reaches it.
ENTRYPOINT ["/usr/local/bin/orgimport"]
CMD ["--help"]
