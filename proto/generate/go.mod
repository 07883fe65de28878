module weft/proto/generate

go 1.25

require (
	github.com/envoyproxy/go-control-plane/envoy v1.40.0
	golang.org/x/tools v0.38.0
	google.golang.org/protobuf v1.36.11
)
