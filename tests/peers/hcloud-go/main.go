// Takes every kind of resource of the simulated cloud through its whole life with the official Go SDK.
//
// Prints a line a check: `ok NAME`, or `failed NAME: REASON`. The test knows all names.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

// cloud is the simulated one, and who asks it.
type cloud struct {
	ctx context.Context
	*hcloud.Client
	// May only read.
	reader *hcloud.Client
	// Has no valid token.
	stranger *hcloud.Client
	// Where faults are armed.
	control string
}

func main() {
	endpoint := flag.String("endpoint", "", "ends in /v1")
	token := flag.String("token", "", "may read and write")
	readToken := flag.String("read-token", "", "may only read")
	control := flag.String("control", "", "ends in /sim")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	client := func(token string) *hcloud.Client {
		return hcloud.NewClient(
			hcloud.WithEndpoint(*endpoint),
			hcloud.WithToken(token),
			hcloud.WithApplication("fleet-tests", "1"),
			hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: hcloud.ConstantBackoff(50 * time.Millisecond)}),
			hcloud.WithRetryOpts(hcloud.RetryOpts{BackoffFunc: hcloud.ConstantBackoff(50 * time.Millisecond), MaxRetries: 3}),
		)
	}
	c := &cloud{ctx, client(*token), client(*readToken), client("nobody"), *control}
	catalogue(c)
	sshKeys(c)
	servers(c)
	serverChanges(c)
	primaryIPs(c)
	floatingIPs(c)
	firewalls(c)
	networks(c)
	volumes(c)
	placementGroups(c)
	images(c)
	refusals(c)
}

// check runs one check; it fails with a panic.
func check(name string, run func()) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Printf("failed %s: %v\n", name, reason)
		}
	}()
	run()
	fmt.Printf("ok %s\n", name)
}

// get is what a call returns, if it does not fail.
func get[T any](value T, _ *hcloud.Response, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func all[T any](values []T, err error) []T {
	if err != nil {
		panic(err)
	}
	return values
}

func done(_ *hcloud.Response, err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T comparable](found, wanted T) {
	if found != wanted {
		panic(fmt.Sprintf("found %v instead of %v", found, wanted))
	}
}

// refused checks how an error is typed.
func refused(err error, code hcloud.ErrorCode) {
	if !hcloud.IsError(err, code) {
		panic(fmt.Sprintf("expected %s, found %v", code, err))
	}
}

// wait waits for all actions, with the SDK's own waiter.
func (c *cloud) wait(actions ...*hcloud.Action) {
	if err := c.Action.WaitFor(c.ctx, actions...); err != nil {
		panic(err)
	}
}

// act begins an action and waits for it.
func (c *cloud) act(action *hcloud.Action, _ *hcloud.Response, err error) {
	if err != nil {
		panic(err)
	}
	c.wait(action)
}

// arm lets something go wrong.
func (c *cloud) arm(fault string) {
	response, err := http.Post(c.control+"/faults", "application/json", bytes.NewBufferString(fault))
	if err != nil {
		panic(err)
	}
	response.Body.Close()
	equal(response.StatusCode, http.StatusNoContent)
}

func (c *cloud) disarm() {
	request, err := http.NewRequestWithContext(c.ctx, http.MethodDelete, c.control+"/faults", nil)
	if err != nil {
		panic(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	response.Body.Close()
}

// order is the smallest order for a server.
func (c *cloud) order(name string) hcloud.ServerCreateOpts {
	return hcloud.ServerCreateOpts{
		Name:       name,
		ServerType: &hcloud.ServerType{Name: "cpx11"},
		Image:      &hcloud.Image{Name: "debian-13"},
		Location:   &hcloud.Location{Name: "ash"},
	}
}

// server makes a server and waits until it runs.
func (c *cloud) server(opts hcloud.ServerCreateOpts) *hcloud.Server {
	made := get(c.Server.Create(c.ctx, opts))
	c.wait(append(made.NextActions, made.Action)...)
	return get(c.Server.GetByID(c.ctx, made.Server.ID))
}

func (c *cloud) remove(server *hcloud.Server) {
	deleted := get(c.Server.DeleteWithResult(c.ctx, server))
	c.wait(deleted.Action)
}
