# Build with: docker build -t orgimport .
# Run with:   docker run --rm -v "$PWD:/data" -e AUTH0_DOMAIN … orgimport import members.csv

FROM docker.io/library/golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
# Static, so that it runs where there is nothing but itself and CA certificates.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /out/orgimport ./cmd/orgimport
# The folder for CSVs and results belongs to whoever runs the image, so that
# --user works with any id.
RUN mkdir -p /out/data && chmod 0777 /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/orgimport /usr/local/bin/orgimport
COPY --from=build --chmod=0777 /out/data /data
WORKDIR /data
ENTRYPOINT ["/usr/local/bin/orgimport"]
CMD ["--help"]
