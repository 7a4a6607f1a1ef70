package main

import (
	"errors"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

// refusals are typed by the SDK as those of the real API.
func refusals(c *cloud) {
	create := func(opts hcloud.ServerCreateOpts) error {
		_, _, err := c.Server.Create(c.ctx, opts)
		return err
	}
	check("refusals: uniqueness_error", func() {
		server := c.server(c.order("twice"))
		refused(create(c.order("twice")), hcloud.ErrorCodeUniquenessError)
		c.remove(server)
	})
	check("refusals: invalid_input names the field", func() {
		err := create(c.order("under_score"))
		refused(err, hcloud.ErrorCodeInvalidInput)
		var typed hcloud.Error
		equal(errors.As(err, &typed), true)
		equal(typed.Details.(hcloud.ErrorDetailsInvalidInput).Fields[0].Name, "name")
	})
	check("refusals: locked", func() {
		made := get(c.Server.Create(c.ctx, c.order("busy")))
		_, err := c.Server.Delete(c.ctx, made.Server)
		refused(err, hcloud.ErrorCodeLocked)
		c.wait(append(made.NextActions, made.Action)...)
		c.remove(made.Server)
	})
	check("refusals: resource_unavailable", func() {
		c.arm(`{"fault": "out_of_stock", "server_type": "cpx11"}`)
		refused(create(c.order("none")), hcloud.ErrorCodeResourceUnavailable)
		c.disarm()
		opts := c.order("none")
		opts.ServerType.Name, opts.Location.Name = "cx33", "nbg1"
		refused(create(opts), hcloud.ErrorCodeResourceUnavailable)
	})
	check("refusals: placement_error", func() {
		c.arm(`{"fault": "placement_error", "times": 1}`)
		refused(create(c.order("none")), hcloud.ErrorCodePlacementError)
	})
	check("refusals: resource_limit_exceeded", func() {
		c.arm(`{"fault": "limits", "limits": {"servers": 0}}`)
		refused(create(c.order("none")), hcloud.ErrorCodeResourceLimitExceeded)
		c.disarm()
	})
	check("refusals: not_found", func() {
		_, _, err := c.Server.Poweroff(c.ctx, &hcloud.Server{ID: 7})
		refused(err, hcloud.ErrorCodeNotFound)
	})
	check("refusals: unauthorized", func() {
		_, err := c.stranger.Server.All(c.ctx)
		refused(err, hcloud.ErrorCodeUnauthorized)
		var typed hcloud.Error
		equal(errors.As(err, &typed), true)
		equal(len(typed.Response().Header.Get("X-Correlation-Id")), 16)
	})
	check("refusals: forbidden", func() {
		equal(len(all(c.reader.SSHKey.All(c.ctx))) > 0, true)
		_, _, err := c.reader.Server.Create(c.ctx, c.order("none"))
		refused(err, hcloud.ErrorCodeForbidden)
	})
	check("refusals: deprecated_api_endpoint", func() {
		request, err := c.NewRequest(c.ctx, "GET", "/datacenters", nil)
		if err != nil {
			panic(err)
		}
		_, err = c.Do(request, nil)
		refused(err, hcloud.ErrorDeprecatedAPIEndpoint)
	})
	check("refusals: the rate limit is waited out, or not", func() {
		_, response, err := c.Location.List(c.ctx, hcloud.LocationListOpts{})
		equal(err, nil)
		equal(response.Meta.Ratelimit.Limit, 3600)
		c.arm(`{"fault": "answer", "on": {"path": "/locations"}, "status": 429, "times": 3}`)
		equal(len(all(c.Location.All(c.ctx))), 6)
		c.arm(`{"fault": "answer", "on": {"path": "/locations"}, "status": 429}`)
		_, err = c.Location.All(c.ctx)
		refused(err, hcloud.ErrorCodeRateLimitExceeded)
		c.disarm()
	})
	check("refusals: a gateway's errors are retried, an unavailable API is not", func() {
		c.arm(`{"fault": "answer", "on": {"path": "/locations"}, "status": 502, "times": 2}`)
		equal(len(all(c.Location.All(c.ctx))), 6)
		c.arm(`{"fault": "answer", "on": {"path": "/locations"}, "status": 503, "times": 1}`)
		_, err := c.Location.All(c.ctx)
		refused(err, "unavailable")
	})
	check("refusals: a lost answer is an error, and the server is there", func() {
		c.arm(`{"fault": "lose_answer", "on": {"method": "POST", "path": "/servers"}, "times": 1}`)
		equal(create(c.order("lost")) != nil, true)
		server := get(c.Server.GetByName(c.ctx, "lost"))
		c.wait(get(c.Server.Action.List(c.ctx, hcloud.ActionListOpts{Status: []hcloud.ActionStatus{hcloud.ActionStatusRunning}}))...)
		c.remove(server)
	})
}
