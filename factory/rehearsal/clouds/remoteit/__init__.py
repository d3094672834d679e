"""The simulated remote.it: portal, device side, account side. Start at `factory.rehearsal.clouds.remoteit.cloud`."""
