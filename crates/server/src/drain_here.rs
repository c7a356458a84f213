//! `unisono drain`: sends the viewers of the server of this configuration, on this machine, to other nodes, and waits until they are
//! gone; what a rolling restart does before `systemctl restart`.

use crate::{cli::DrainArgs, config::Config, health};
use anyhow::{Context, bail};
use reqwest::{Client, Method};
use std::{
    io::Write,
    time::{Duration, Instant},
};
use unisono_api::DrainView;

/// A server that does not answer by then is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at who is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the time they were given, viewers that are slow have so much more.
const GRACE: Duration = Duration::from_secs(10);

/// Errors say what stands in the way; some viewers who stay are none, for the operator decides about them.
pub(crate) fn drain(config: &Config, args: &DrainArgs) -> anyhow::Result<()> {
    let door = config.http.listen.address().context("http.listen is off: there is no door to ask at")?;
    let url = format!("http://{}/api/v1/drain", health::local(door));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        if args.cancel {
            ask(&client, Method::DELETE, &url, None).await?;
            println!("not drained any more");
            return Ok(());
        }
        let began = Instant::now();
        let mut view = ask(&client, Method::POST, &url, Some(args.within)).await?;
        if view.endpoints.is_empty() {
            println!("no other node is known here: viewers have nowhere to go (node.url, node.endpoints)");
        } else {
            println!("viewers move to {} within {} s", view.endpoints.join(", "), args.within);
        }
        let patience = Duration::from_secs(args.within.into()) + GRACE;
        while left(&view) > 0 && began.elapsed() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
            view = ask(&client, Method::GET, &url, None).await?;
            println!("{}", words(&view));
            let _ = std::io::stdout().flush();
        }
        println!(
            "{}",
            if left(&view) == 0 { "nobody is left" } else { "these did not move; a stop ends them" }
        );
        Ok(())
    })
}

async fn ask(client: &Client, method: Method, url: &str, within: Option<u32>) -> anyhow::Result<DrainView> {
    let body = within.map(|within_s| format!("{{\"within_s\":{within_s}}}")).unwrap_or_default();
    let answer = client.request(method, url).body(body).send().await;
    let answer = answer.with_context(|| format!("no answer from {url}"))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{url}: {status}: {}", text.trim());
    }
    serde_json::from_str(&text).with_context(|| format!("{url} answers what no drain answers"))
}

fn left(view: &DrainView) -> usize {
    view.viewers.webrtc + view.viewers.hls + view.readers
}

fn words(view: &DrainView) -> String {
    let DrainView { viewers, readers, publishers, .. } = view;
    format!(
        "left: {} viewers by WebRTC, {} by HLS, {readers} feeds, {publishers} publishers",
        viewers.webrtc, viewers.hls
    )
}
