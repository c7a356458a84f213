//! ACME against Pebble, Let's Encrypt's test authority, and its DNS server. Without them (Debian: `apt-get install pebble`) it
//! says so and passes.

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const DOMAIN: &str = "live.unisono.test";
/// Ten times what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A child process; killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(command: &mut Command) -> Running {
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// An authority whose questions go to these ports of ours, and the DNS server that leads every name there.
struct Authority {
    directory: String,
    root: PathBuf,
    _dns: Running,
    _pebble: Running,
}

impl Authority {
    fn start(folder: &Path, http: u16, tls: u16) -> Self {
        let pair = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
        let signed = params.expect("names").self_signed(&pair).expect("signed");
        let [root, key, config] =
            ["authority.pem", "authority.key", "pebble.json"].map(|name| folder.join(name));
        fs::write(&root, signed.pem()).expect("written");
        fs::write(&key, pair.serialize_pem()).expect("written");
        let [listen, manage, dns, dns_manage] = [free_port(), free_port(), free_port(), free_port()];
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{listen}"),
            "managementListenAddress": format!("127.0.0.1:{manage}"),
            "certificate": root, "privateKey": key, "httpPort": http, "tlsPort": tls,
        }});
        fs::write(&config, settings.to_string()).expect("written");
        let dns_at = format!("127.0.0.1:{dns}");
        let mut dns = Command::new("pebble-challtestsrv");
        dns.args(["-dns01", &dns_at, "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        dns.args(["-defaultIPv4", "127.0.0.1", "-management", &format!("127.0.0.1:{dns_manage}")]);
        let mut pebble = Command::new("pebble");
        pebble.env("PEBBLE_VA_NOSLEEP", "1").arg("-config").arg(&config).args(["-dnsserver", &dns_at]);
        let (dns, pebble) = (spawn(&mut dns), spawn(&mut pebble));
        let deadline = Instant::now() + PATIENCE;
        for port in [listen, dns_manage] {
            while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(Instant::now() < deadline, "the authority does not start");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let directory = format!("https://127.0.0.1:{listen}/dir");
        Self { directory, root, _dns: dns, _pebble: pebble }
    }
}

fn server(folder: &Path, authority: &Authority, challenge: &str, http: u16, tls: u16) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unisono"));
    command.current_dir(folder).args(["serve", "--data-dir", "data", "--rtmp", "off", "--webrtc", "off"]);
    command.args(["--http", &format!("127.0.0.1:{http}"), "--https", &format!("127.0.0.1:{tls}")]);
    command.env("UNISONO_ACME__DOMAINS", format!("[{DOMAIN:?}]"));
    command.env("UNISONO_ACME__DIRECTORY", &authority.directory);
    command.env("UNISONO_ACME__ROOT", &authority.root);
    command.env("UNISONO_ACME__CHALLENGE", challenge);
    spawn(&mut command)
}

/// Takes any certificate: the test looks at it afterwards.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Issuer and serial number of what the door shows; `None` while it is closed.
async fn shown(port: u16) -> Option<(String, String)> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let name = ServerName::try_from(DOMAIN).expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let leaf = stream.get_ref().1.peer_certificates()?.first()?.clone();
    let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).expect("X.509");
    Some((leaf.issuer().to_string(), leaf.raw_serial_as_string()))
}

async fn issued(port: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match shown(port).await {
            Some((issuer, serial)) if issuer.contains("Pebble") => return serial,
            other => assert!(Instant::now() < deadline, "the authority's certificate never came: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn is_ordered_put_into_force_and_kept(challenge: &str) {
    if Command::new("pebble").arg("-h").output().is_err() {
        eprintln!("skipped: there is no pebble here (Debian: apt-get install pebble)");
        return;
    }
    let folder = std::env::temp_dir().join(format!("unisono-acme-{}-{challenge}", std::process::id()));
    fs::create_dir(&folder).expect("a fresh folder");
    let (http, tls) = (free_port(), free_port());
    let authority = Authority::start(&folder, http, tls);
    let running = server(&folder, &authority, challenge, http, tls);
    let serial = issued(tls).await;
    drop(running);
    // A restart shows it again without asking the authority, which is gone.
    let (directory, root) = (authority.directory.clone(), authority.root.clone());
    drop(authority);
    let nobody = || Running(Command::new("true").spawn().expect("true(1)"));
    let authority = Authority { directory, root, _dns: nobody(), _pebble: nobody() };
    let running = server(&folder, &authority, challenge, http, tls);
    assert_eq!(issued(tls).await, serial);
    drop(running);
    let _ = fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn a_certificate_by_tls_alpn_01() {
    is_ordered_put_into_force_and_kept("tls-alpn-01").await;
}

#[tokio::test]
async fn a_certificate_by_http_01() {
    is_ordered_put_into_force_and_kept("http-01").await;
}
