//! One order: account, proof for each domain, certificate.

use super::Challenges;
use crate::config::{Acme, AcmeChallenge};
use anyhow::{Context, bail};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use std::time::Duration;
use unisono_store::{Kv, KvError, SqliteKv};

/// From the answered challenge to the authority's verdict, and from the request to the certificate.
const VERDICT: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// The account at this directory, made at the first use and kept in the store.
pub(super) async fn account(config: &Acme, store: &SqliteKv) -> anyhow::Result<Account> {
    let builder = || match &config.root {
        Some(root) => {
            Account::builder_with_root(root).with_context(|| format!("acme.root {}", root.display()))
        }
        None => Account::builder().context("the system's certificate store"),
    };
    let name = format!("acme/account/{}", config.directory);
    if let Some(entry) = store.get(&name).await? {
        let credentials = serde_json::from_str(&entry.value).context("the stored account is damaged")?;
        let account = builder()?.from_credentials(credentials).await;
        return account.with_context(|| format!("the authority at {}", config.directory));
    }
    let contact: Vec<&str> = config.contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder()?.create(&wanted, config.directory.clone(), None).await;
    let (account, credentials) =
        made.with_context(|| format!("no account at the authority at {}", config.directory))?;
    match store.put_if(&name, None, serde_json::to_string(&credentials)?).await {
        Ok(_) | Err(KvError::Conflict { .. }) => Ok(account),
        Err(error) => Err(error.into()),
    }
}

/// Chain and key, both PEM.
pub(super) async fn certificate(
    config: &Acme,
    account: &Account,
    challenges: &Challenges,
) -> anyhow::Result<(String, String)> {
    let names: Vec<_> = config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await.context("the order was refused")?;
    prove(config, &mut order, challenges).await?;
    let status = order.poll_ready(&VERDICT).await;
    if !matches!(status, Ok(OrderStatus::Ready | OrderStatus::Valid)) {
        let words = refusal(config, &mut order).await;
        return Err(status.err().map_or_else(|| anyhow::anyhow!("refused"), Into::into)).context(words);
    }
    let key = order.finalize().await.context("the certificate was refused")?;
    let chain = order.poll_certificate(&VERDICT).await.context("the certificate did not come")?;
    Ok((chain, key))
}

/// Answers the challenge of each domain that is not proven yet.
async fn prove(config: &Acme, order: &mut Order, challenges: &Challenges) -> anyhow::Result<()> {
    let kind = kind(config);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.context("the order's authorizations")?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            other => bail!("the authority calls a domain of the order {other:?}"),
        }
        let mut challenge = authorization
            .challenge(kind.clone())
            .with_context(|| format!("the authority offers no {}", config.challenge))?;
        let domain = challenge.identifier().to_string();
        let answer = challenge.key_authorization();
        match config.challenge {
            AcmeChallenge::Http => challenges.answer_http(&challenge.token, answer.as_str()),
            AcmeChallenge::Tls => challenges.answer_tls(&domain, answer.digest().as_ref())?,
        }
        challenge.set_ready().await.with_context(|| format!("{domain}: the challenge"))?;
    }
    Ok(())
}

/// What the authority says of each domain that it could not prove, and what to look at.
async fn refusal(config: &Acme, order: &mut Order) -> String {
    let mut words = Vec::new();
    let kind = kind(config);
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let _ = authorization.refresh().await;
        if let Some(challenge) = authorization.challenge(kind.clone())
            && let Some(error) = &challenge.error
        {
            words.push(format!("{}: {error}", challenge.identifier()));
        }
    }
    let port = match config.challenge {
        AcmeChallenge::Http => "HTTP door by port 80",
        AcmeChallenge::Tls => "HTTPS door (or one port) by port 443",
    };
    format!(
        "the authority could not prove that the domains are this server's ({}); their names must lead here and their {port} of \
         the public address be this node's",
        words.join("; ")
    )
}

fn kind(config: &Acme) -> ChallengeType {
    match config.challenge {
        AcmeChallenge::Http => ChallengeType::Http01,
        AcmeChallenge::Tls => ChallengeType::TlsAlpn01,
    }
}
