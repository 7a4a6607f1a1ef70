"""Refusals, as the SDK types them."""

import requests
from cloud import check, equal, refused, wait
from hcloud.locations import Location
from hcloud.server_types import ServerType


def run(cloud):
    client = cloud.client

    def create(name, **others):
        return client.servers.create(**cloud.order(name, **others))

    @check("refusals: uniqueness_error, invalid_input, locked")
    def _():
        made = create("twice")
        refused("uniqueness_error", create, "twice")
        error = refused("invalid_input", create, "under_score")
        equal(error.details["fields"][0]["name"], "name")
        refused("locked", made.server.delete)
        wait(made.action, *made.next_actions)
        wait(made.server.delete())

    @check("refusals: resource_unavailable, placement_error, resource_limit_exceeded")
    def _():
        cx33 = {"server_type": ServerType(name="cx33"), "location": Location(name="nbg1")}
        refused("resource_unavailable", create, "none", **cx33)
        cloud.arm({"fault": "placement_error", "times": 1})
        refused("placement_error", create, "none")
        cloud.arm({"fault": "limits", "limits": {"servers": 0}})
        refused("resource_limit_exceeded", create, "none")
        cloud.disarm()

    @check("refusals: not_found, unauthorized, forbidden")
    def _():
        refused("not_found", client.servers.get_by_id, 7)
        error = refused("unauthorized", cloud.stranger.servers.get_all)
        equal(len(error.correlation_id), 16)
        equal(len(cloud.reader.ssh_keys.get_all()) > 0, True)
        refused("forbidden", cloud.reader.servers.create, **cloud.order("none"))

    @check("refusals: the rate limit is waited out, or not")
    def _():
        fault = {"fault": "answer", "on": {"path": "/locations"}, "status": 429, "times": 1}
        cloud.arm(fault)
        equal(len(client.locations.get_all()), 6)
        cloud.arm(fault)
        refused("rate_limit_exceeded", cloud.impatient().locations.get_all)

    @check("refusals: a lost answer, and the server is there")
    def _():
        cloud.arm({"fault": "lose_answer", "on": {"method": "POST", "path": "/servers"}, "times": 1})
        try:
            cloud.impatient().servers.create(**cloud.order("lost"))
            raise AssertionError("the answer came")
        except requests.ConnectionError:
            pass
        server = client.servers.get_by_name("lost")
        wait(*server.get_actions(status=["running"]))
        wait(server.delete())
