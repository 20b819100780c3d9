// Command gateway is a grpc-gateway in front of the contract's public services: the same JSON routes as the front door's own.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	assetv1 "switchboard.example/clients/switchboard/asset/v1"
	auditv1 "switchboard.example/clients/switchboard/audit/v1"
	catalogv1 "switchboard.example/clients/switchboard/catalog/v1"
	dispatchv1 "switchboard.example/clients/switchboard/dispatch/v1"
	healthv1 "switchboard.example/clients/switchboard/health/v1"
)

func main() {
	backend := flag.String("backend", "", "host:port of the gRPC front door")
	flag.Parse()
	routes, err := handler(context.Background(), *backend)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, routes))
}

// handler answers every JSON route of the public services with a gRPC call to backend.
func handler(ctx context.Context, backend string) (http.Handler, error) {
	// As the front door prints: camelCase names, and empty lists and zeros rather than nothing.
	marshaler := &runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
		MarshalOptions: protojson.MarshalOptions{UseProtoNames: false, EmitDefaultValues: true},
	}}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, marshaler),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) {
			if strings.EqualFold(name, "idempotency-key") {
				return name, true
			}
			return runtime.DefaultHeaderMatcher(name)
		}),
	)
	connection, err := grpc.NewClient(backend, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	for _, register := range []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
		assetv1.RegisterAssetServiceHandler,
		auditv1.RegisterActionLogServiceHandler,
		catalogv1.RegisterCatalogServiceHandler,
		dispatchv1.RegisterDispatchServiceHandler,
		healthv1.RegisterHealthServiceHandler,
	} {
		if err := register(ctx, mux, connection); err != nil {
			return nil, err
		}
	}
	return mux, nil
}
