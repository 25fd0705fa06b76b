//! The command line of every example.

use std::net::IpAddr;
use std::process;
use std::time::Duration;

use libstun::Entropy;
use libstun::stun::BindingConfig;

use super::Result;

/// What was asked for. An example takes the options that its usage line names, and no others.
#[derive(Debug, Default)]
pub struct Options {
    /// Everything that is not an option: `host[:port]`.
    pub names: Vec<String>,
    /// `--trace`: print every step.
    pub trace: bool,
    /// `--tcp`: serve TCP as well.
    pub tcp: bool,
    /// `--realm NAME`: demand long-term credentials.
    pub realm: Option<String>,
    /// `--user NAME:PASSWORD`: who has some, as often as there are users. Of a client, `--user NAME`.
    pub users: Vec<String>,
    /// `--password PASSWORD`: the client's.
    pub password: Option<String>,
    /// `--server HOST[:PORT]`: whose relay to use.
    pub server: Option<String>,
    /// `--listen ADDRESS:PORT`: where local programs send to.
    pub listen: Option<String>,
    /// `--to ADDRESS:PORT`: the peer.
    pub to: Option<String>,
    /// `--for SECONDS`: stop after that time.
    pub limit: Option<Duration>,
    /// `--packets N`: stop after so many from the peer.
    pub packets: Option<u64>,
    /// `--behavior ADDRESS`: serve NAT behaviour discovery, with that second address.
    pub behavior: Option<IpAddr>,
    /// `--rfc3489`: answer clients without the magic cookie.
    pub rfc3489: bool,
    /// `--json`: for programs.
    pub json: bool,
    /// `--lifetime`: the slow test too.
    pub lifetime: bool,
    /// `--count N`: stop after so many.
    pub count: Option<u64>,
    /// `--every N`: say something every so many.
    pub every: Option<u64>,
    seed: Option<u64>,
    rto: Option<Duration>,
}

impl Options {
    /// Reads the command line; `--help` prints the usage line and ends the process.
    pub fn parse(usage: &str) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if argument == "--help" {
                println!("usage: {usage}");
                process::exit(0);
            }
            if !argument.starts_with('-') {
                options.names.push(argument);
                continue;
            }
            if !usage.contains(&format!("[{argument}")) {
                return Err(format!("unknown option {argument}; usage: {usage}").into());
            }
            if options.take_text(&argument, &mut arguments)? {
                continue;
            }
            let mut value = || number(&argument, arguments.next());
            match argument.as_str() {
                "--trace" => options.trace = true,
                "--tcp" => options.tcp = true,
                "--rfc3489" => options.rfc3489 = true,
                "--json" => options.json = true,
                "--lifetime" => options.lifetime = true,
                "--count" => options.count = Some(value()?),
                "--every" => options.every = Some(value()?),
                "--seed" => options.seed = Some(value()?),
                "--for" => options.limit = Some(Duration::from_secs(value()?)),
                "--packets" => options.packets = Some(value()?),
                "--rto" => options.rto = Some(Duration::from_millis(value()?)),
                _ => return Err(format!("unknown option {argument}; usage: {usage}").into()),
            }
        }
        Ok(options)
    }

    /// The options whose value is no number; says whether it was one.
    fn take_text(&mut self, option: &str, arguments: &mut impl Iterator<Item = String>) -> Result<bool> {
        let mut value = || arguments.next().ok_or_else(|| format!("{option} wants a value"));
        match option {
            "--realm" => self.realm = Some(value()?),
            "--user" => self.users.push(value()?),
            "--password" => self.password = Some(value()?),
            "--server" => self.server = Some(value()?),
            "--listen" => self.listen = Some(value()?),
            "--to" => self.to = Some(value()?),
            "--behavior" => {
                let text = value()?;
                let address =
                    text.parse().map_err(|_| format!("{option} wants an IP address, not {text}"))?;
                self.behavior = Some(address);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Randomness of the system. `--seed` is for comparing runs: whoever knows the seed can forge answers.
    pub fn entropy(&self) -> Result<Entropy> {
        let Some(number) = self.seed else {
            return Entropy::from_os()
                .map_err(|error| format!("the system gives no randomness: {error}").into());
        };
        let mut seed = [0; 32];
        seed.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, given)| *byte = given);
        Ok(Entropy::from_seed(seed))
    }

    /// Applies `--rto`, the wait before the first retransmission.
    pub fn tune(&self, mut config: BindingConfig) -> BindingConfig {
        if let Some(rto) = self.rto {
            config.retransmission.initial_rto = rto;
        }
        config
    }
}

/// A number, decimal or `0x` hexadecimal.
fn number(option: &str, value: Option<String>) -> Result<u64> {
    let text = value.ok_or_else(|| format!("{option} wants a number"))?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{option} wants a number, not {text}").into())
}
