//! What the server's `/metrics` says, and what changed between two looks.

use super::histogram::round;
use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Samples by name and labels as they are printed: `unisono_webrtc_drops_total{reason="invalid"}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Asks the server at `base`, which must take this machine for its operator's.
    pub(super) async fn fetch(client: &Client, base: &str) -> anyhow::Result<Self> {
        let answer = client.get(format!("{base}/metrics")).send().await.context("GET /metrics")?;
        Ok(Self::parse(&answer.error_for_status()?.text().await?))
    }

    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// What was added since `before`; for counters and histograms.
    pub(super) fn since(&self, before: &Self) -> Self {
        let added =
            |(name, value): (&String, &f64)| (name.clone(), value - before.0.get(name).unwrap_or(&0.0));
        Self(self.0.iter().map(added).collect())
    }

    /// One sample by its full name.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// `{p50, p99, samples}` of a histogram in milliseconds: upper edges of the buckets, so "at most"; `null` beyond the last.
    /// `label` picks one of a family: `stage="wake"`.
    pub(super) fn milliseconds(&self, histogram: &str, label: &str) -> Value {
        let prefix = format!("{histogram}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = self
            .0
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .filter(|(name, _)| name.contains(label))
            .filter_map(|(name, count)| Some((edge(name)?, *count)))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let samples = buckets.last().map_or(0.0, |(_, count)| *count);
        let at_most = |part: f64| {
            let (edge, _) = buckets.iter().find(|(_, count)| samples > 0.0 && *count >= part * samples)?;
            edge.is_finite().then(|| (edge * 1e5).round() / 1e2)
        };
        json!({ "p50": at_most(0.5), "p99": at_most(0.99), "samples": samples })
    }

    /// The samples of a counter that are not zero, by labels.
    pub(super) fn nonzero(&self, counter: &str) -> Value {
        let named = self.0.iter().filter(|(name, value)| name.starts_with(counter) && **value != 0.0);
        named
            .map(|(name, value)| (name[counter.len()..].to_owned(), json!(round(*value))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The bucket's upper edge, its label `le`.
fn edge(name: &str) -> Option<f64> {
    let (_, rest) = name.split_once("le=\"")?;
    match rest.split_once('"')?.0 {
        "+Inf" => Some(f64::INFINITY),
        edge => edge.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE d histogram\nd_bucket{le=\"0.001\",stage=\"send\"} 5\nd_bucket{le=\"+Inf\",stage=\"send\"} 5\n";
    const AFTER: &str = "d_bucket{le=\"0.001\",stage=\"send\"} 65\nd_bucket{le=\"0.005\",stage=\"send\"} 104\n\
        d_bucket{le=\"+Inf\",stage=\"send\"} 105\nd_bucket{le=\"0.001\",stage=\"wake\"} 7\n\
        drops_total{reason=\"invalid\"} 3\ndrops_total{reason=\"x\"} 0\n";

    #[test]
    fn percentiles_are_of_what_was_added() {
        let added = Scrape::parse(AFTER).since(&Scrape::parse(BEFORE));
        let expected = json!({ "p50": 1.0, "p99": 5.0, "samples": 100.0 });
        assert_eq!(added.milliseconds("d", "stage=\"send\""), expected);
        assert_eq!(added.milliseconds("d", "stage=\"none\"")["p99"], Value::Null);
    }

    #[test]
    fn only_what_happened_is_listed() {
        assert_eq!(Scrape::parse(AFTER).nonzero("drops_total"), json!({ "{reason=\"invalid\"}": 3.0 }));
    }
}
