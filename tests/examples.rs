//! Runs every example as its reader would, and looks at what it prints.
//!
//! `cargo test` builds the examples before it runs this file. `cargo test --test examples` does not: build
//! them first with `cargo build --examples`.

#![cfg(feature = "std")]
// The host of other programs: it owns sockets, clock and threads.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a test

use std::env::consts::EXE_SUFFIX;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use libstun::stun::{Binding, BindingConfig};
use libstun::{Datagram, Entropy, FiveTuple, Instant, Machine};

/// A safety net against a program that hangs. No verdict depends on it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn blocking_binding_prints_its_mapped_address() {
    assert_mapped(&run("binding_blocking", &[]), 1);
}

#[test]
fn tokio_binding_prints_its_mapped_address() {
    assert_mapped(&run("binding_tokio", &[]), 1);
}

#[test]
fn the_same_core_gives_the_same_trace_under_either_loop() {
    // A minute before the first retransmission: how loaded the machine is must not show.
    let arguments = ["--trace", "--seed", "0x5ca1ab1e", "--rto", "60000"];
    let trace = |name| traced(&run(name, &arguments)).join("\n");
    let blocking = trace("binding_blocking");
    assert_eq!(blocking, trace("binding_tokio"));
    assert_eq!(blocking.lines().count(), 3, "sent, received, event:\n{blocking}");

    let other_seed = ["--trace", "--seed", "7", "--rto", "60000"];
    assert_ne!(blocking, traced(&run("binding_blocking", &other_seed)).join("\n"));
}

#[test]
fn both_loops_resend_the_same_bytes_to_a_silent_server_and_end_with_a_sentence() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    for name in ["binding_blocking", "binding_tokio"] {
        let ended = run(name, &[&server, "--trace", "--rto", "1"]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended.stderr.contains(&format!("no mapped address from {server}: nobody answered")),
            "{ended:?}"
        );
        let trace = traced(&ended);
        let (event, sent) = trace.split_last().unwrap();
        assert_eq!(*event, "trace: event failed: nobody answered");
        assert!(sent.len() > 1 && sent.iter().all(|line| Some(line) == sent.first()), "{ended:?}");
    }
}

#[test]
fn batched_bindings_print_their_mapped_addresses() {
    let ended = run("binding_mmsg", &[]);
    if cfg!(target_os = "linux") {
        assert_mapped(&ended, 3);
    } else {
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[test]
fn five_servers_agree_on_loopback() {
    let ended = run("five_servers", &[]);
    assert_mapped(&ended, 5);
    assert!(ended.stdout.contains("all 5 mapped addresses agree"), "{ended:?}");
}

#[test]
fn discovery_leads_from_a_uri_to_a_mapped_address() {
    let ended = run("discover", &[]);
    assert_mapped(&ended, 1);
    assert!(ended.stderr.contains("resolve AAAA of localhost: "), "{ended:?}");
}

#[test]
fn a_resolver_without_srv_records_says_so_and_the_host_itself_is_asked() {
    let ended = run("discover", &["stun:localhost", "--rto", "1"]);
    let srv = "resolve SRV of _stun._udp.localhost: not known to the standard library";
    for line in [srv, "resolve AAAA of localhost: ", "resolve A of localhost: "] {
        assert!(ended.stderr.contains(line), "{ended:?}");
    }
}

#[test]
fn a_nat_report_is_readable_for_people_and_for_programs() {
    let people = run("nat_report", &[]);
    assert_eq!(people.code, Some(0), "{people:?}");
    let has = |text: &str, start: &str| text.lines().any(|line| line.starts_with(start));
    assert!(has(&people.stdout, "translation        absent"), "{people:?}");
    assert!(has(&people.stdout, "mapping            endpoint-independent"), "{people:?}");
    // On Linux all of 127.0.0.0/8 is there, and the embedded server answers from two addresses.
    let is_full =
        !cfg!(target_os = "linux") || has(&people.stdout, "filtering          endpoint-independent");
    assert!(is_full, "{people:?}");
    assert!(has(&people.stderr, "connectivity: open (confidence high)"), "progress: {people:?}");

    let programs = run("nat_report", &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&programs.stdout).expect("JSON and nothing else");
    assert_eq!(json["translation"]["value"], "absent", "{programs:?}");
    assert_eq!(json["local"], json["mapped"], "{programs:?}");
    assert_eq!(json["lifetime"]["reason"], "not-tested", "{programs:?}");
    assert_eq!(json["connectivity"]["evidence"][0]["seen"], "answer", "{programs:?}");
}

#[test]
fn a_shared_socket_serves_both_protocols() {
    let ended = run("shared_socket", &[]);
    assert_mapped(&ended, 1);
    let pongs: Vec<_> = ended.stdout.lines().filter_map(|line| line.strip_prefix("PONG ")).collect();
    assert_eq!(pongs.len(), 3, "{ended:?}");
}

#[test]
fn the_server_answers_on_ipv4() {
    ask_the_server("127.0.0.1:0");
}

#[test]
fn the_server_answers_on_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no IPv6 loopback");
        return;
    }
    ask_the_server("[::1]:0");
}

#[test]
fn the_server_answers_over_tcp_however_the_stream_is_cut() {
    let mut server = Program::start("server", &["127.0.0.1:0", "--tcp", "--count", "1"]);
    let address = server.address("tcp");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();

    let path = FiveTuple::tcp(stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let mut binding =
        Binding::new(BindingConfig::once(path), Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
    for byte in binding.poll_transmit().expect("a new binding asks").payload {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut reply = [0; 40]; // a success with an IPv4 address and FINGERPRINT
    stream.read_exact(&mut reply).unwrap();
    let _ = binding.handle_input(&Datagram::new(path, &reply), Instant::ZERO);
    assert_eq!(binding.mapped_address(), Some(path.local));
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn misuse_ends_with_a_sentence() {
    for (name, argument) in [
        ("binding_blocking", "--no-such-option"),
        ("binding_tokio", "[::1"),
        ("five_servers", "--trace"),
        ("discover", "stun://127.0.0.1"),
        ("discover", "stuns:stun.example.org"),
        ("nat_report", "--trace"),
        ("shared_socket", "127.0.0.1:port"),
        ("server", "127.0.0.1:70000"),
        ("udp_proxy", "--trace"),
    ] {
        let ended = run(name, &[argument]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(argument), "{ended:?}");
    }
}

/// What it carries is looked at in tests/interop/turn_proxy.rs, where there is a relay.
#[test]
fn the_udp_proxy_says_what_it_wants() {
    let server = ["--user", "alice", "--password", "s3cret", "--server", "127.0.0.1:1"];
    for (arguments, sentence) in [
        (&["--user", "alice"][..], "error: --server is missing; usage: udp_proxy "),
        (&server[..], "error: --to is missing; usage: udp_proxy "),
        (
            &[&server[..], &["--to", "localhost"]].concat(),
            "error: --to wants an address and a port, not localhost",
        ),
    ] {
        let ended = run("udp_proxy", arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.starts_with(sentence), "{ended:?}");
    }
}

/// Starts the server on a port of the system's choosing, asks it twice, and sees it stop as it was told.
fn ask_the_server(listen: &str) {
    let mut server = Program::start("server", &[listen, "--count", "2", "--every", "1"]);
    let local = server.address("udp");
    let address = local.to_string();
    for client in ["binding_blocking", "binding_tokio"] {
        let ended = run(client, &[&address, "--rto", "60000"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let mapped = mapped_addresses(&ended);
        assert!(mapped.iter().all(|address| address.ip() == local.ip()) && mapped.len() == 1, "{ended:?}");
    }
    let ended = server.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), "answered 1\nanswered 2\n"), "{ended:?}");
}

fn assert_mapped(ended: &Ended, count: usize) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mapped = mapped_addresses(ended);
    assert_eq!(mapped.len(), count, "{ended:?}");
    assert!(mapped.iter().all(|address| address.ip().is_loopback() && address.port() != 0), "{ended:?}");
}

/// The addresses of the lines `mapped address 127.0.0.1:54321  rtt 0.1 ms  from 127.0.0.1:3478`.
fn mapped_addresses(ended: &Ended) -> Vec<SocketAddr> {
    let mapped = ended.stdout.lines().filter_map(|line| line.strip_prefix("mapped address "));
    mapped.map(|rest| rest.split("  rtt ").next().unwrap().parse().expect("an address")).collect()
}

fn traced(ended: &Ended) -> Vec<&str> {
    ended.stdout.lines().filter(|line| line.starts_with("trace: ")).collect()
}

fn run(name: &str, arguments: &[&str]) -> Ended {
    Program::start(name, arguments).end()
}

/// What a program has left behind.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A running example. It does not outlive its test.
struct Program {
    child: Child,
    lines: Receiver<String>,
    stderr: Receiver<String>,
}

impl Program {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let path = example(name);
        let mut command = Command::new(&path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo build --examples` builds it", path.display());
        });
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        let (errors, all_errors) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            errors.send(text)
        });
        Self { child, lines, stderr: all_errors }
    }

    /// Where the server says that it listens.
    fn address(&self, transport: &str) -> SocketAddr {
        let start = format!("listening on {transport} ");
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the server says where it listens");
            if let Some(address) = line.strip_prefix(&start) {
                return address.parse().expect("an address and a port");
            }
        }
    }

    /// Waits for the end of the program: both its pipes close.
    fn end(&mut self) -> Ended {
        let stderr = self.stderr.recv_timeout(PATIENCE).expect("the program ends");
        let stdout = self.lines.iter().map(|line| line + "\n").collect();
        Ended { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo puts this test into `deps` and the examples into its sibling.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path of one's own");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    profile.join("examples").join(format!("{name}{EXE_SUFFIX}"))
}
