//! Configuration: defaults, under `unisono.toml`, under `UNISONO_*` variables, under flags.
//!
//! A key that does not exist is refused, wherever it stands: a misspelt door would otherwise stay open.

mod migrate;
mod node;
mod recording;
mod relay;
mod rooms;
mod text;
mod webhook;

pub(crate) use node::{Node, is_address};
pub(crate) use recording::Recording;
pub(crate) use relay::Relay;
pub(crate) use rooms::{Guests, RoomRules};
pub(crate) use text::{default_toml, schema, shown};
pub(crate) use webhook::{Hidden, Webhook, WhenUnanswered};

use crate::{advertise::Address, limits::Limits};
use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use migrate::Upgraded;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Read when no `--config` names another, and only where it exists.
pub(crate) const DEFAULT_FILE: &str = "unisono.toml";

/// Everything that can be set. `docs/configuration.md` is the same list for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Version of this file's keys. Keys of the version before are still read, with a warning.
    pub(crate) config_version: u32,
    /// Where keys and room logs are kept; made with mode 0700.
    pub(crate) data_dir: PathBuf,
    pub(crate) http: Http,
    pub(crate) https: Https,
    pub(crate) acme: Acme,
    pub(crate) one_port: OnePort,
    pub(crate) rtmp: Rtmp,
    pub(crate) rtmps: Rtmps,
    pub(crate) webrtc: WebRtc,
    pub(crate) node: Node,
    pub(crate) relay: Relay,
    pub(crate) recording: Recording,
    pub(crate) access: AccessRules,
    pub(crate) rooms: RoomRules,
    pub(crate) limits: Limits,
    /// Receivers of events, up to 16, each a `[[webhook]]` section with `url`, `secrets` and, if fewer than all, `events` and
    /// `streams`, in place of this line; docs/webhooks.md.
    pub(crate) webhook: Vec<Webhook>,
    pub(crate) log: Log,
}

/// Pages, API, WHIP, WHEP, HLS, event feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// `address:port`, such as `0.0.0.0:8080` or `[::]:8080`, or `off`.
    pub(crate) listen: Door,
    /// Connections at once, HTTPS included; one more is closed as soon as it is accepted.
    pub(crate) connections_max: usize,
    /// As many from one IPv4 address or IPv6 /64.
    pub(crate) connections_per_address_max: usize,
}

/// The same over TLS: browsers give cameras to pages that come by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Https {
    /// `address:port`, such as `0.0.0.0:8080` or `[::]:8080`, or `off`.
    pub(crate) listen: Door,
    /// PEM certificate chain; with `key`, or neither. Without them the node signs a certificate of its own.
    pub(crate) certificate: Option<PathBuf>,
    /// PEM key of `certificate`.
    pub(crate) key: Option<PathBuf>,
}

/// A certificate from an authority such as Let's Encrypt, ordered and renewed by the node (RFC 8555). Naming domains
/// agrees to the authority's terms of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acme {
    /// Host names of this node; empty = no ACME.
    pub(crate) domains: Vec<String>,
    /// Where the authority writes when something is wrong: `mailto:ops@example.org`.
    pub(crate) contact: Option<String>,
    /// The authority.
    pub(crate) directory: String,
    /// How it is proven that the domains are ours.
    pub(crate) challenge: AcmeChallenge,
    /// PEM certificate that the authority's own HTTPS is trusted by, for a private one.
    pub(crate) root: Option<PathBuf>,
}

/// As RFC 8555 §8.3 and RFC 8737 name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum AcmeChallenge {
    /// By port 80, the HTTP door.
    #[serde(rename = "http-01")]
    Http,
    /// By port 443, a TLS door.
    #[default]
    #[serde(rename = "tls-alpn-01")]
    Tls,
}

impl fmt::Display for AcmeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Http { "http-01" } else { "tls-alpn-01" })
    }
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            contact: None,
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            challenge: AcmeChallenge::default(),
            root: None,
        }
    }
}

/// Everything on one TCP port, for networks that let nothing else through: HTTPS and WebRTC media (ICE-TCP).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnePort {
    /// `address:port`, usually `0.0.0.0:443`, or `off`.
    pub(crate) listen: Door,
}

/// RTMP ingest over TLS, with the certificate of `[https]` and the limits of `[rtmp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rtmps {
    /// `address:port`, usually `0.0.0.0:1936`, or `off`.
    pub(crate) listen: Door,
}

/// RTMP ingest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rtmp {
    /// `address:port`, such as `0.0.0.0:8080` or `[::]:8080`, or `off`.
    pub(crate) listen: Door,
    /// Connections at once.
    pub(crate) connections_max: usize,
    /// As many from one IPv4 address or IPv6 /64.
    pub(crate) connections_per_address_max: usize,
}

/// WebRTC media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebRtc {
    /// `address:port`, such as `0.0.0.0:8080` or `[::]:8080`, or `off`.
    pub(crate) listen: Door,
    /// Media over TCP on the same port, for peers whose network lets no UDP through.
    pub(crate) tcp: bool,
    /// Addresses peers reach; empty = those of the interfaces.
    #[schemars(with = "Vec<String>")]
    pub(crate) advertise: Vec<Address>,
    /// Worker threads; 0 = one per core that this process may use.
    pub(crate) workers: usize,
}

/// Who may watch, and whose tokens count. Publishing always needs a key or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessRules {
    /// Who may watch: `open` is everybody who knows the address, `token` who has a token or a key.
    pub(crate) view: View,
    /// Keys of others who sign tokens, beside the node's own.
    pub(crate) token_keys: Vec<TokenKey>,
    /// Address of a service of yours that is asked about each viewer; docs/webhooks.md.
    pub(crate) webhook: Option<Hidden>,
    /// One to four, `whsec_...`: each signs every question.
    pub(crate) webhook_secrets: Vec<Hidden>,
    /// While that service does not answer: `refuse` new viewers or `allow` them.
    pub(crate) webhook_unanswered: WhenUnanswered,
}

/// Who may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum View {
    /// Everybody who knows the address.
    Open,
    /// Who has a token that grants `view`, or a key.
    Token,
}

/// A key that verifies tokens: a shared secret (HS256) or a PEM public key (ES256, EdDSA), in a file of its own; or a
/// JSON Web Key Set, as a file or at an https address, alone in its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenKey {
    /// As RFC 7518 §3.1 and RFC 8037 spell it.
    #[serde(default)]
    pub(crate) algorithm: Option<TokenAlgorithm>,
    /// Where the secret or the PEM public key is.
    #[serde(default)]
    pub(crate) file: Option<PathBuf>,
    /// A JSON Web Key Set, as a file or at an https address.
    #[serde(default)]
    pub(crate) jwks: Option<String>,
    /// Only for tokens whose header names it.
    #[serde(default)]
    pub(crate) kid: Option<String>,
}

/// As RFC 7518 §3.1 and RFC 8037 spell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum TokenAlgorithm {
    HS256,
    ES256,
    EdDSA,
}

/// What to log and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or parts apart as in `RUST_LOG`: `unisono_gateway_webrtc=debug,info`.
    pub(crate) level: String,
    /// `text` is one readable line per record, `json` one JSON object.
    pub(crate) format: LogFormat,
    /// Whole addresses of publishers and viewers in log and API; otherwise their network, IPv4 /24 or IPv6 /48.
    pub(crate) full_addresses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One readable line per record.
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            config_version: migrate::VERSION,
            data_dir: "./unisono-data".into(),
            http: Http {
                listen: Door::any(8080),
                connections_max: 10_000,
                connections_per_address_max: 1_000,
            },
            https: Https::default(),
            acme: Acme::default(),
            one_port: OnePort::default(),
            rtmp: Rtmp { listen: Door::any(1935), connections_max: 256, connections_per_address_max: 64 },
            rtmps: Rtmps::default(),
            webrtc: WebRtc { listen: Door::any(8189), tcp: true, advertise: Vec::new(), workers: 0 },
            node: Node::default(),
            relay: Relay::default(),
            recording: Recording::default(),
            rooms: RoomRules::default(),
            access: AccessRules {
                view: View::Open,
                token_keys: Vec::new(),
                webhook: None,
                webhook_secrets: Vec::new(),
                webhook_unanswered: WhenUnanswered::Refuse,
            },
            webhook: Vec::new(),
            limits: Limits::default(),
            log: Log { level: "info".to_owned(), format: LogFormat::Text, full_addresses: false },
        }
    }
}

/// Where a protocol listens, or that it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Door {
    #[default]
    Closed,
    Open(SocketAddr),
}

impl Door {
    const fn any(port: u16) -> Self {
        Self::Open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
    }

    /// The address, where it is open.
    pub(crate) const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Closed => None,
            Self::Open(address) => Some(address),
        }
    }
}

impl FromStr for Door {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        if s == "off" {
            return Ok(Self::Closed);
        }
        s.parse().map(Self::Open).map_err(|_| {
            format!("{s:?} is neither address:port, such as 0.0.0.0:8080 or [::]:8080, nor \"off\"")
        })
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("off"),
            Self::Open(address) => address.fmt(f),
        }
    }
}

impl Serialize for Door {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Door {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Door".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["0.0.0.0:8080", "[::]:8080", "off"] })
    }
}

impl<'de> Deserialize<'de> for Door {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The flags that were given; `None` leaves what file, environment or default say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) http: Option<Door>,
    pub(crate) https: Option<Door>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) certificate_key: Option<PathBuf>,
    pub(crate) one_port: Option<Door>,
    pub(crate) rtmp: Option<Door>,
    pub(crate) rtmps: Option<Door>,
    pub(crate) webrtc: Option<Door>,
    pub(crate) relay: Option<Door>,
    pub(crate) upstream: Option<String>,
    pub(crate) advertise: Option<Vec<Address>>,
    pub(crate) workers: Option<usize>,
    pub(crate) view: Option<View>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: Option<LogFormat>,
}

impl Overrides {
    fn apply(self, config: &mut Config) {
        fn set<T>(value: Option<T>, field: &mut T) {
            if let Some(value) = value {
                *field = value;
            }
        }
        set(self.data_dir, &mut config.data_dir);
        set(self.http, &mut config.http.listen);
        set(self.https, &mut config.https.listen);
        config.https.certificate = self.certificate.or(config.https.certificate.take());
        config.https.key = self.certificate_key.or(config.https.key.take());
        set(self.one_port, &mut config.one_port.listen);
        set(self.rtmp, &mut config.rtmp.listen);
        set(self.rtmps, &mut config.rtmps.listen);
        set(self.webrtc, &mut config.webrtc.listen);
        set(self.relay, &mut config.relay.listen);
        config.relay.upstream = self.upstream.or(config.relay.upstream.take());
        set(self.advertise, &mut config.webrtc.advertise);
        set(self.workers, &mut config.webrtc.workers);
        set(self.view, &mut config.access.view);
        set(self.log, &mut config.log.level);
        set(self.log_format, &mut config.log.format);
    }
}

/// As [`read`]; what is outdated is said on standard error.
pub(crate) fn load(file: Option<&Path>, flags: Overrides) -> anyhow::Result<Config> {
    let (config, warnings) = read(file, flags)?;
    for warning in warnings {
        eprintln!("unisono: warning: {warning}");
    }
    Ok(config)
}

/// Reads the configuration, and says what in it is outdated. `file` must exist when it is named; every refusal says which key and where it stood.
pub(crate) fn read(file: Option<&Path>, flags: Overrides) -> anyhow::Result<(Config, Vec<String>)> {
    if let Some(file) = file.filter(|file| !file.is_file()) {
        bail!("there is no configuration file {}", file.display());
    }
    let mut warnings = Vec::new();
    let mut layers = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = file.or(Some(Path::new(DEFAULT_FILE)).filter(|file| file.is_file())) {
        layers = layers.merge(Upgraded::read(&Toml::file_exact(file), &mut warnings));
    }
    let mut config: Config = layers
        .merge(Upgraded::read(&environment(), &mut warnings))
        .extract()
        .map_err(|error| anyhow::anyhow!("{}", words(&error)))
        .context("the configuration cannot be used")?;
    flags.apply(&mut config);
    let limits = [config.http.connections_max, config.http.connections_per_address_max];
    if limits.contains(&0) {
        bail!(
            "http.connections_max or http.connections_per_address_max is 0: nobody could connect; set http.listen to \"off\" to close that door"
        );
    }
    if !config.acme.domains.is_empty() {
        if config.https.certificate.is_some() {
            bail!(
                "acme.domains and https.certificate exclude each other: the certificate comes from one or the other"
            );
        }
        if config.https.listen.address().or(config.one_port.listen.address()).is_none() {
            bail!(
                "acme.domains orders a certificate for HTTPS, which is closed: open https.listen or one_port.listen"
            );
        }
    }
    if config.https.certificate.is_some() != config.https.key.is_some() {
        bail!("https.certificate and https.key belong together: name both files, or neither");
    }
    webhook::check(&config.webhook)?;
    config.node.check()?;
    config.recording.settings(&config.data_dir)?;
    if !config.relay.is_off() {
        config.relay.secrets()?;
        config.relay.upstream()?;
    }
    Ok((config, warnings))
}

/// `UNISONO_DATA_DIR` and everything of the form `UNISONO_SECTION__KEY`; other `UNISONO_*` variables belong to
/// scripts around the program.
fn environment() -> Env {
    Env::prefixed("UNISONO_")
        .filter(|key| key.as_str().contains("__") || key.as_str().eq_ignore_ascii_case("data_dir"))
        .split("__")
}

fn words(error: &figment::Error) -> String {
    error
        .clone()
        .into_iter()
        .map(|one| {
            let place = match &one.metadata {
                Some(metadata) => match &metadata.source {
                    Some(source) => format!("{source}: "),
                    None => format!("{}: ", metadata.name),
                },
                None => String::new(),
            };
            let key = if one.path.is_empty() { String::new() } else { format!("{}: ", one.path.join(".")) };
            format!("{place}{key}{}{}", one.kind, suggestion(&one.kind))
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// The key that was probably meant.
fn suggestion(kind: &figment::error::Kind) -> String {
    let figment::error::Kind::UnknownField(found, known) = kind else { return String::new() };
    let distance = |name: &&&str| strsim::damerau_levenshtein(found, name);
    let nearest = known.iter().min_by_key(distance).filter(|name| distance(name) <= 1 + found.len() / 3);
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn load_text(name: &str, toml: &str, flags: Overrides) -> anyhow::Result<Config> {
        let file = std::env::temp_dir().join(format!("unisono-config-{}-{name}.toml", std::process::id()));
        fs::write(&file, toml).expect("temporary file");
        let config = load(Some(&file), flags);
        fs::remove_file(&file).expect("it was written");
        config
    }

    #[test]
    fn a_file_moves_and_closes_doors() {
        let toml = "[http]\nlisten = \"127.0.0.1:9000\"\n[rtmp]\nlisten = \"off\"\n[webrtc]\nadvertise = [\"203.0.113.7\"]";
        let config = load_text("doors", toml, Overrides::default()).expect("valid");
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:9000");
        assert_eq!(config.rtmp.listen, Door::Closed);
        assert_eq!(config.webrtc.advertise, ["203.0.113.7".parse::<Address>().expect("an address")]);
        assert_eq!(config.webrtc.listen, Door::any(8189), "the rest stays");
    }

    #[test]
    fn flags_stand_over_the_file() {
        let flags = Overrides { http: Some(Door::any(7000)), ..Overrides::default() };
        let config = load_text("flags", "[http]\nlisten = \"127.0.0.1:9000\"", flags).expect("valid");
        assert_eq!(config.http.listen, Door::any(7000));
    }

    #[test]
    fn unknown_keys_are_refused_in_words() {
        for (name, toml, key) in
            [("top", "[htpp]\nlisten = \"off\"", "htpp"), ("deep", "[http]\nport = 1", "port")]
        {
            let error = format!("{:#}", load_text(name, toml, Overrides::default()).expect_err("misspelt"));
            assert!(error.contains(key) && error.contains("expected"), "{error}");
            assert!(error.contains("unisono-config-"), "names the file: {error}");
        }
    }

    #[test]
    fn the_key_that_was_meant_is_suggested() {
        let words = |toml: &str| {
            format!("{:#}", load_text("meant", toml, Overrides::default()).expect_err("misspelt"))
        };
        assert!(words("[rtmp]\nlisen = \"off\"").contains("did you mean `listen`?"));
        assert!(words("[webrct]\nworkers = 1").contains("did you mean `webrtc`?"));
        assert!(!words("[http]\nsomething = 1").contains("did you mean"));
    }

    #[test]
    fn a_file_of_the_version_before_is_read_with_a_warning() {
        let file = std::env::temp_dir().join(format!("unisono-config-{}-old.toml", std::process::id()));
        let read_text = |toml: &str| {
            fs::write(&file, toml).expect("temporary file");
            read(Some(&file), Overrides::default())
        };
        let (config, warnings) = read_text("config_version = 1\n[log]\nfilter = \"debug\"").expect("read");
        assert_eq!((config.log.level.as_str(), config.config_version), ("debug", 2));
        assert!(
            warnings.len() == 1 && warnings[0].contains("log.filter is called log.level now"),
            "{warnings:?}"
        );
        let (config, warnings) = read_text("[log]\nlevel = \"warn\"").expect("read");
        assert!(config.log.level == "warn" && warnings.is_empty(), "{warnings:?}");
        for (toml, words) in [
            ("[log]\nfilter = \"a\"\nlevel = \"b\"", "keep log.level"),
            ("config_version = 3", "written for a newer version"),
            ("config_version = 2\n[log]\nfilter = \"a\"", "unknown field"),
        ] {
            let error = format!("{:#}", read_text(toml).expect_err("refused"));
            assert!(error.contains(words), "{error}");
        }
        fs::remove_file(&file).expect("it was written");
    }

    #[test]
    fn a_bad_address_says_what_a_good_one_is() {
        let error =
            load_text("address", "[http]\nlisten = \"8080\"", Overrides::default()).expect_err("no address");
        let error = format!("{error:#}");
        assert!(error.contains("http.listen") && error.contains("0.0.0.0:8080"), "{error}");
    }

    #[test]
    fn two_webhooks_at_one_address_are_refused_in_words() {
        let hooks = |urls: [&str; 2]| {
            let hook = |url| format!("[[webhook]]\nurl = \"{url}\"\nsecrets = [\"whsec_x\"]\n");
            load_text("hooks", &urls.map(hook).concat(), Overrides::default())
        };
        for same in ["https://example.com/hook?key=hidden", "https://EXAMPLE.com:443/hook?key=hidden"] {
            let error = hooks(["https://example.com/hook?key=hidden", same]).expect_err("refused");
            let error = format!("{error:#}");
            assert!(error.contains("number 1 and number 2") && error.contains("example.com/hook"), "{error}");
            assert!(error.contains("into one section") && !error.contains("hidden"), "{error}");
        }
        assert_eq!(
            hooks(["https://example.com/hook", "https://example.com/hook?a"]).expect("valid").webhook.len(),
            2
        );
    }

    #[test]
    fn a_named_file_must_exist() {
        let error =
            load(Some(Path::new("/nonexistent/unisono.toml")), Overrides::default()).expect_err("missing");
        assert!(error.to_string().contains("/nonexistent/unisono.toml"));
    }
}
