"""Takes every kind of resource of the simulated cloud through its whole life."""

import addresses
import others
import refusals
import servers
from cloud import Cloud

cloud = Cloud()
for part in (servers, addresses, others, refusals):
    part.run(cloud)
