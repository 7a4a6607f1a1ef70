# The few verbs that a person needs. Each is one command that works without make, too.

.PHONY: demo test bench lint control-plane control-plane-down

demo: ## record scripted users on a simulated network; Ctrl-C ends it
	cargo run --bin fleetctl -- up --demo

test: ## all tests, with real clients, databases, a bucket and a browser (installs what is missing)
	tests/install
	cargo test --workspace

bench: ## the benchmarks, with the peer in the same run
	cargo bench --workspace --bench spool
	cargo bench --workspace --bench archive
	cargo bench --workspace --bench report
	cargo bench --workspace --bench soulseek
	cargo bench --workspace --bench servers
	cargo bench --workspace --bench operator

lint: ## formatting and clippy, as CI does it
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

control-plane: ## a Kubernetes control plane on loopback, in the background (built once, in minutes)
	cargo run --quiet --bin control-plane -- up

control-plane-down: ## ends it
	cargo run --quiet --bin control-plane -- down
