//! The server that is killed: this same program as a child process, with a data directory that outlives it.

use anyhow::{Context, bail};
use parking_lot::Mutex;
use reqwest::Client;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::{TcpListener, UdpSocket},
    process::{Child, Command},
    time::{Instant, sleep},
};

/// Longest start, on a machine that is busy with five browsers.
const START_PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A port that is free for TCP may be taken for UDP.
const PORT_TRIES: u32 = 20;

/// The running server.
pub(super) struct Server {
    child: Child,
    place: Place,
    http: Client,
    /// From its first words; kept in its data directory as a hash only.
    admin_key: String,
}

/// Where it runs; the same after each restart.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) http: SocketAddr,
    pub(super) webrtc: SocketAddr,
    data_dir: PathBuf,
    program: PathBuf,
}

impl Place {
    /// Free ports at `ip`.
    pub(super) async fn find(ip: IpAddr, data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            http: free(ip).await?,
            webrtc: free(ip).await?,
            data_dir: data_dir.to_owned(),
            program: std::env::current_exe().context("this program's own file")?,
        })
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["demo", "--no-open", "--rtmp", "off", "--log", "warn", "--data-dir"])
            .arg(&self.data_dir);
        command.args(["--http", &self.http.to_string(), "--webrtc", &self.webrtc.to_string()]);
        command.env("UNISONO_ROOMS__GUESTS", "bid");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        command
    }
}

impl Server {
    /// Starts it for the first time; returns once it answers and has printed its keys.
    pub(super) async fn start(place: Place) -> anyhow::Result<Self> {
        let (child, words) = spawn(&place)?;
        let mut server = Self { child, place, http: Client::new(), admin_key: String::new() };
        server.ready().await?;
        let deadline = Instant::now() + START_PATIENCE;
        while server.admin_key.is_empty() {
            if Instant::now() > deadline {
                bail!("the server printed no admin key: is {} new?", server.place.data_dir.display());
            }
            sleep(ASK_EVERY).await;
            server.admin_key = words.lock().clone().unwrap_or_default();
        }
        Ok(server)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn admin_key(&self) -> &str {
        &self.admin_key
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    /// Address of the API at `path`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.place.http)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL: it cannot finish, flush or say goodbye.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the server could not be killed")
    }

    /// Starts it again at the same place; returns once it answers.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        (self.child, _) = spawn(&self.place)?;
        self.ready().await
    }

    /// Ends when the process does, which nobody asked for.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("the server ended by itself ({status}); its words are above"),
            Err(error) => error.into(),
        }
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server did not start ({status}); its words are above");
            }
            let answer = self.http.get(self.url("/readyz")).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the server does not answer at {}", self.place.http);
            }
            sleep(ASK_EVERY).await;
        }
    }
}

/// The admin key among what the server says at its first start.
type Words = Arc<Mutex<Option<String>>>;

fn spawn(place: &Place) -> anyhow::Result<(Child, Words)> {
    let mut child = place.command().spawn().context("the server did not start")?;
    let words = Words::default();
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(listen(stdout, words.clone()));
    }
    Ok((child, words))
}

/// Reads to the end, so that the child never waits for a full pipe.
async fn listen(stdout: impl AsyncRead + Unpin, words: Words) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(key) = line.split_whitespace().find(|word| word.starts_with("ak_")) {
            *words.lock() = Some(key.to_owned());
        }
    }
}

/// A port that nobody has, by TCP and UDP.
async fn free(ip: IpAddr) -> anyhow::Result<SocketAddr> {
    for _ in 0..PORT_TRIES {
        let address = TcpListener::bind((ip, 0)).await?.local_addr()?;
        if UdpSocket::bind(address).await.is_ok() {
            return Ok(address);
        }
    }
    bail!("there is no free port at {ip}")
}
