# make demo                        find your public address through the C ABI
# make test                        everything that CI runs; installs what it needs on Debian as root
# make fuzz SECONDS=60             every fuzz target for so long, under AddressSanitizer
# make sim SEEDS=1000000           so many whole networks, each from a seed of its own
# make keepalives                  wake-ups an hour of 100000 clients in a virtual day (20 minutes)
# make python                      the Python package: its wheel, tests, types, stubs and sdists
# make python-bench                what its calls cost, and its codec beside aioice's (after make python)
# make python-free-threaded        the same without the GIL, or as near as this machine comes to that
# make kotlin                      the Kotlin package: its library, generated sources and tests
# make swift                       the same of the Swift package, with Swift 6 on PATH or in a Debian 13 of its own
# make mobile-bench                what a call costs from Kotlin and Swift: one crossing against five
# make teeth                       breaks the core on purpose, and says which check notices
# make install PREFIX=/x           library, headers, pkg-config and CMake files
.POSIX:
PREFIX  = /usr/local
DESTDIR =
SERVER  =
SECONDS = 60
SEEDS   = 1000000
CLIENTS = 100000
HOURS   = 24
CC      = cc
TARGET  = $${CARGO_TARGET_DIR:-target}

.PHONY: all demo test check fuzz sim keepalives python python-bench python-free-threaded kotlin swift mobile-bench teeth header install uninstall msrv clean

all:
	cargo build --profile dist --locked -p libstun-c

demo: all
	@mkdir -p $(TARGET)/demo
	@ln -sf libstun.so $(TARGET)/dist/libstun.so.0
	$(CC) -std=c99 -O2 -Wall -Wextra -Iinclude examples/c/binding_poll.c -o $(TARGET)/demo/binding_poll \
		-L$(TARGET)/dist -Wl,-rpath,"$$(cd $(TARGET)/dist && pwd)" -lstun
	$(TARGET)/demo/binding_poll $(SERVER)

test:
	tests/tools/deps.sh
	tests/tools/all.sh

# Fast feedback: no C, no real servers.
check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace

fuzz:
	tests/fuzz/run.sh $(SECONDS)

sim:
	cargo run --quiet --locked --release -p libstun-sim -- --seeds $(SEEDS)

keepalives:
	cargo bench --bench keepalives -- --clients $(CLIENTS) --hours $(HOURS)

python:
	tests/tools/python.sh

python-bench:
	target/checks/python/venv/bin/python python/benches/calls.py
	target/checks/python/venv/bin/python python/benches/codec.py

python-free-threaded:
	tests/tools/python_free_threaded.sh

kotlin:
	tests/tools/kotlin.sh

swift:
	tests/tools/swift.sh

mobile-bench:
	tests/tools/mobile_bench.sh

teeth:
	python3 tests/tools/teeth.py

header:
	STUN_UPDATE_HEADER=1 cargo test --quiet -p libstun-c --lib header

install: all
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" bindings/c/install.sh

uninstall:
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" bindings/c/install.sh --uninstall

# The oldest Rust that the core and the C ABI promise, from rustup if it is there, else from Debian 13.
msrv:
	tests/tools/msrv.sh

clean:
	cargo clean
