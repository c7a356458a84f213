//! `unisono check`: would the server start here, and would people reach it? Each line says what it found; where
//! something is wrong, also what to do.

use crate::{
    advertise, clock,
    config::{Config, Guests, View},
    doors::{self, Certificate},
    keys::Keys,
    rooms,
};
use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

/// A file descriptor for each connection, and these for the server itself.
const OWN_DESCRIPTORS: usize = 100;
/// Datagrams of a keyframe to hundreds of viewers; less loses some of them in the kernel.
const SOCKET_BUFFER: u64 = 1 << 20;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fine,
    Warning,
    Error,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) words: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Fine => "ok     ",
            Level::Warning => "warning",
            Level::Error => "ERROR  ",
        };
        write!(f, "{mark}  {}", self.words)
    }
}

fn fine(words: impl Into<String>) -> Finding {
    Finding { level: Level::Fine, words: words.into() }
}

fn warning(words: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, words: words.into() }
}

fn error(error: &anyhow::Error) -> Finding {
    Finding { level: Level::Error, words: format!("{error:#}") }
}

/// Looks at everything a start needs, without opening a door for longer than it takes to see that it opens.
pub(crate) async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![store(config).await];
    findings.extend(ports(config));
    findings.extend(certificate(config));
    findings.extend(media(config).await);
    findings.push(viewing(config));
    findings.push(in_rooms(config));
    findings.extend(relay(config).await);
    findings.push(recording(config).await);
    findings.extend(limits(config));
    findings.extend(clock::complaint().map(warning));
    findings
}

async fn store(config: &Config) -> Finding {
    match Keys::open(&config.data_dir, &config.access).await {
        Ok(keys) => {
            let count = keys.access().keyring().list().len();
            keys.close().await;
            fine(format!("data directory {}: {count} keys", config.data_dir.display()))
        }
        Err(refused) => error(&refused),
    }
}

/// Where recordings are kept takes what is written to it.
async fn recording(config: &Config) -> Finding {
    let checked = async {
        let settings = config.recording.settings(&config.data_dir)?;
        anyhow::Ok((settings.place.clone(), unisono_record::check(&settings).await))
    };
    match checked.await {
        Ok((place, Ok(()))) => match place {
            unisono_record::Place::Folder(path) => fine(format!("recordings in {}", path.display())),
            unisono_record::Place::Bucket(bucket) => fine(format!("recordings in s3://{}", bucket.name)),
        },
        Ok((_, Err(refused))) => {
            let words = format!("recordings cannot be kept: {refused} (recording.path, recording.url)");
            if config.recording.streams.is_empty() {
                warning(words)
            } else {
                Finding { level: Level::Error, words }
            }
        }
        Err(refused) => error(&refused),
    }
}

fn ports(config: &Config) -> Vec<Finding> {
    let tcp = [
        ("HTTP", "http", config.http.listen),
        ("HTTPS", "https", config.https.listen),
        ("HTTPS and WebRTC media", "one-port", config.one_port.listen),
        ("RTMP", "rtmp", config.rtmp.listen),
        ("RTMPS", "rtmps", config.rtmps.listen),
    ];
    let mut findings: Vec<_> = tcp
        .into_iter()
        .filter_map(|(protocol, flag, door)| {
            Some(port(protocol, flag, door.address()?, |at| TcpListener::bind(at).map(drop)))
        })
        .collect();
    if let Some(address) = config.webrtc.listen.address() {
        findings.push(port("WebRTC media (UDP)", "webrtc", address, |at| UdpSocket::bind(at).map(drop)));
        if config.webrtc.tcp {
            findings
                .push(port("WebRTC media (TCP)", "webrtc", address, |at| TcpListener::bind(at).map(drop)));
        }
    }
    if let Some(address) = config.relay.listen.address() {
        findings.push(port("relay (UDP)", "relay", address, |at| UdpSocket::bind(at).map(drop)));
    }
    if findings.is_empty() {
        findings.push(warning("every door is closed: nobody can publish or watch"));
    }
    findings
}

fn port(
    protocol: &str,
    flag: &str,
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> std::io::Result<()>,
) -> Finding {
    match bind(address) {
        Ok(()) => fine(format!("{protocol} on {address}")),
        Err(refused) => error(&doors::refused(protocol, flag, address, &refused)),
    }
}

fn certificate(config: &Config) -> Option<Finding> {
    let speaks_tls = [config.https.listen, config.one_port.listen, config.rtmps.listen];
    if speaks_tls.iter().all(|door| door.address().is_none()) {
        let words = "no HTTPS: browsers on other machines give no camera to this server's pages; --https 0.0.0.0:8443 opens it";
        return Some(warning(words));
    }
    if !config.acme.domains.is_empty() {
        let words = format!(
            "the certificate for {} is ordered from {} at the start, and renewed",
            config.acme.domains.join(", "),
            config.acme.directory
        );
        return Some(fine(words));
    }
    Some(match Certificate::open(&config.https, &config.data_dir, &[]) {
        Ok(certificate) if certificate.is_own => warning(
            "the certificate is this server's own: browsers warn; https.certificate and https.key name another",
        ),
        Ok(_) => fine("certificate and key belong together"),
        Err(refused) => error(&refused),
    })
}

/// Where media goes.
async fn media(config: &Config) -> Vec<Finding> {
    if config.webrtc.listen.address().is_none() {
        let words = "WebRTC is closed: viewers get HLS, some seconds behind; --webrtc 0.0.0.0:8189 opens it";
        return vec![warning(words)];
    }
    let mut findings = match advertise::resolve(&config.webrtc.advertise).await {
        Ok(advertise) => {
            let named: Vec<IpAddr> = advertise.iter().map(|one| one.ip).collect();
            let local = unisono_net::local_addresses();
            let told = if named.is_empty() { &local } else { &named };
            let one_port = config.one_port.listen.address();
            [Some(addresses(&named, &local)), one_port.and_then(|at| low_port(at.port(), told))]
                .into_iter()
                .flatten()
                .collect()
        }
        Err(refused) => vec![error(&refused)],
    };
    findings.push(match config.one_port.listen.address() {
        Some(one_port) => {
            fine(format!("networks that let only TCP {} through get everything by it", one_port.port()))
        }
        None if config.webrtc.tcp => {
            fine("viewers whose network blocks UDP get media by TCP on the same port")
        }
        None => warning("webrtc.tcp is false: viewers whose network blocks UDP get no WebRTC"),
    });
    findings
}

/// libwebrtc takes no candidate with a port below 1024 but 80 and 443, and those only at public addresses.
fn low_port(port: u16, told: &[IpAddr]) -> Option<Finding> {
    let is_known = port == 80 || port == 443;
    let is_private = told.iter().all(|ip| is_private(ip) || ip.is_loopback());
    let is_refused = port != 0 && port < 1_024 && (!is_known || is_private);
    is_refused.then(|| {
        warning(format!(
            "browsers take no media candidate with port {port} {}; choose a port from 1024 up for --one-port",
            if is_known { "at private addresses" } else { "(below 1024, only 80 and 443 are taken)" }
        ))
    })
}

/// What viewers are told to send media to.
fn addresses(named: &[IpAddr], local: &[IpAddr]) -> Finding {
    let told = if named.is_empty() { local } else { named };
    let outside: Vec<_> = told.iter().filter(|ip| !ip.is_loopback() && !ip.is_unspecified()).collect();
    let list = outside.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if outside.is_empty() {
        return warning(
            "viewers are told only addresses of this machine itself: nobody else gets media; --advertise names another",
        );
    }
    if outside.iter().all(|ip| is_private(ip)) {
        return warning(format!(
            "viewers are told {list}, which only this network reaches; behind NAT or in a container, --advertise the \
             address that viewers reach and let UDP (and TCP) through to it"
        ));
    }
    fine(format!("viewers are told {list}"))
}

fn is_private(ip: &IpAddr) -> bool {
    match ip.to_canonical() {
        // RFC 1918, RFC 3927, RFC 6598.
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn viewing(config: &Config) -> Finding {
    match config.access.view {
        View::Open => {
            fine("watching is open to everybody who knows the address; --view token asks for tokens")
        }
        View::Token => fine("watching needs a token; `unisono token new` makes one"),
    }
}

/// What people may do together, and whether `[rooms]` can be used.
fn in_rooms(config: &Config) -> Finding {
    let rules = &config.rooms;
    if let Err(refused) = rooms::prepare(rules) {
        return error(&refused);
    }
    let guests = match rules.guests {
        Guests::Watch => "guests read and react; rooms.guests lets them chat or bid",
        Guests::Chat => "guests chat and vote",
        Guests::Bid => "guests chat, vote, bid and buy: one person may come as many guests",
    };
    let judged = if rules.webhook.is_some() { "; what members say is judged by rooms.webhook" } else { "" };
    fine(format!("rooms: {guests}; {} blocked words{judged}", rules.blocked_words.len()))
}

/// Whether `[relay]` can be used, and where its upstream is.
async fn relay(config: &Config) -> Vec<Finding> {
    if config.relay.is_off() {
        return Vec::new();
    }
    let mut findings = match config.relay.secrets() {
        Ok(_) => Vec::new(),
        Err(refused) => vec![error(&refused)],
    };
    match config.relay.upstream() {
        Ok(Some(upstream)) => findings.push(match tokio::net::lookup_host(&upstream).await {
            Ok(addresses) => {
                let list: Vec<_> = addresses.map(|address| address.to_string()).collect();
                fine(format!("the relay's upstream is {upstream} ({})", list.join(", ")))
            }
            Err(refused) => warning(format!(
                "the relay's upstream {upstream} has no address now ({refused}): what is published there cannot be watched \
                 here until it has"
            )),
        }),
        Ok(None) => {}
        Err(refused) => findings.push(error(&refused)),
    }
    findings.push(match config.node.origin() {
        Some(url) => fine(format!("viewers of other nodes are sent to {url} when theirs goes away")),
        None => warning(
            "node.url is not set: viewers of other nodes are not sent here when theirs goes away; set it to this node's \
             address, https://host",
        ),
    });
    findings
}

fn limits(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let needed = config.http.connections_max + config.rtmp.connections_max + OWN_DESCRIPTORS;
    if let Some(descriptors) = descriptors().filter(|most| *most < needed) {
        findings.push(warning(format!(
            "{descriptors} open files are allowed, http.connections_max and rtmp.connections_max may need {needed}: \
             `ulimit -n {needed}`, or LimitNOFILE={needed} in the unit"
        )));
    }
    for name in ["rmem_max", "wmem_max"] {
        let most = fs::read_to_string(format!("/proc/sys/net/core/{name}"));
        let most = most.ok().and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(most) = most.filter(|most| *most < SOCKET_BUFFER) {
            findings.push(warning(format!(
                "net.core.{name} is {most}: bursts to many viewers may be lost; `sysctl -w net.core.{name}={}`",
                SOCKET_BUFFER * 4
            )));
        }
    }
    findings
}

/// The soft limit of this process.
fn descriptors() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Door, demo::TemporaryDir};

    fn config(folder: &TemporaryDir) -> Config {
        let door = Door::Open("127.0.0.1:0".parse().expect("valid"));
        let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        (config.http.listen, config.rtmp.listen, config.webrtc.listen) = (door, door, door);
        config
    }

    #[tokio::test]
    async fn what_would_stop_a_start_is_an_error_with_a_way_out() {
        let folder = TemporaryDir::new().expect("a folder");
        let mut config = config(&folder);
        let worst = |findings: &[Finding]| findings.iter().map(|finding| finding.level).max();
        assert!(worst(&check(&config).await) < Some(Level::Error), "as it is, it would start");

        let taken = TcpListener::bind("127.0.0.1:0").expect("any port");
        let address = taken.local_addr().expect("bound");
        config.http.listen = Door::Open(address);
        config.https.listen = config.rtmp.listen;
        config.https.certificate = Some("/nonexistent.pem".into());
        config.https.key = Some("/nonexistent.key".into());
        let findings = check(&config).await;
        let errors: Vec<_> = findings.iter().filter(|f| f.level == Level::Error).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].words.contains(&format!("port {} for HTTP is taken", address.port())));
        assert!(errors[1].words.contains("/nonexistent.pem"));
    }

    #[test]
    fn ports_that_browsers_refuse_are_said_to_be_such() {
        let ip = |text: &str| [text.parse::<IpAddr>().expect("an address")];
        assert!(low_port(443, &ip("203.0.113.7")).is_none());
        assert!(low_port(8_443, &ip("192.168.1.4")).is_none());
        assert!(low_port(443, &ip("192.168.1.4")).is_some_and(|finding| finding.words.contains("private")));
        assert!(low_port(444, &ip("203.0.113.7")).is_some());
    }

    #[test]
    fn addresses_that_only_this_network_reaches_are_said_to_be_such() {
        let ips =
            |texts: &[&str]| texts.iter().map(|t| t.parse().expect("an address")).collect::<Vec<IpAddr>>();
        let private = addresses(&[], &ips(&["127.0.0.1", "192.168.1.4", "100.64.0.1", "fe80::1"]));
        assert!(private.level == Level::Warning && private.words.contains("192.168.1.4"), "{private}");
        assert_eq!(addresses(&[], &ips(&["127.0.0.1"])).level, Level::Warning);
        assert_eq!(addresses(&[], &ips(&["203.0.113.7", "10.0.0.1"])).level, Level::Fine);
        let named = ips(&["203.0.113.7"]);
        assert_eq!(addresses(&named, &ips(&["10.0.0.1"])).words, "viewers are told 203.0.113.7");
    }
}
