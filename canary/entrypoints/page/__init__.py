"""The status page: what the controller looks after, for everybody who may open it; it changes nothing."""
