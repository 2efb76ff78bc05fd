"""Files between the browser and the gateway, streamed in both directions."""
