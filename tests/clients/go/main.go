// A function on aws-lambda-go that does what its event says.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do     string `json:"do"`
	Text   string `json:"text"`
	Filler string `json:"filler"`
}

type answer struct {
	Text      string `json:"text"`
	NBytes    int    `json:"n_bytes"`
	RequestID string `json:"request_id"`
	Pid       int    `json:"pid"`
}

func handle(ctx context.Context, event event) (*answer, error) {
	switch event.Do {
	case "fail":
		return nil, errors.New("boom é")
	case "panic":
		panic("all is lost")
	case "exit":
		os.Exit(3)
	}
	lambda, _ := lambdacontext.FromContext(ctx)
	return &answer{event.Text, len(event.Filler), lambda.AwsRequestID, os.Getpid()}, nil
}

func main() {
	lambda.Start(handle)
}
