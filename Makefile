# Four verbs; the work is in the scripts that they call.

.PHONY: check fuzz bench conformance

# Everything that a change must pass: format, lints, rustdoc, dependency gate, every test.
check:
	.ci/run

# One fuzz target for SECONDS: make fuzz T=request_head SECONDS=600
SECONDS ?= 600
fuzz:
	@test -n "$(T)" || { echo 'say which target: make fuzz T=NAME, with NAME one of:'; ls fuzz/fuzz_targets | sed 's/\.rs$$//'; exit 2; }
	cd fuzz && cargo +nightly fuzz run "$(T)" -- -max_total_time=$(SECONDS)

# The load scenarios against the bench server.
bench:
	bench/run

# Independent clients and servers against the probe.
conformance:
	bash tests/all.sh tools interop autobahn
