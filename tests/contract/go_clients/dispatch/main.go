// Command dispatch books a visit through the typed RPC and prints the reference.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	bookingv1 "switchboard.example/clients/switchboard/booking/v1"
	dispatchv1 "switchboard.example/clients/switchboard/dispatch/v1"
)

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	result, err := dispatchv1.NewDispatchServiceClient(connection).Dispatch(ctx, &dispatchv1.DispatchRequest{
		Context:        &dispatchv1.DispatchContext{ThreadId: "thread-go"},
		IdempotencyKey: "booking-from-go",
		Action: &dispatchv1.DispatchRequest_HousecallProBooking{HousecallProBooking: &dispatchv1.BookingPayload{
			ThreadId:  "thread-go",
			ServiceId: "drain-cleaning",
			Customer:  &bookingv1.Customer{FirstName: "Ada", LastName: "Quill", Phone: "(608) 555-0123"},
			Address:   &bookingv1.Address{Line1: "12 Orchard Street", City: "Madison", State: "WI", Zip: "53703"},
			Notes:     proto.String("The gate code is 4711."),
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if !result.GetOk() {
		log.Fatalf("not booked: %v", result.GetError())
	}
	fmt.Println(result.GetResult().GetExternalId())
}
