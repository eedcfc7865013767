//! Certificates that change, and chains that do not end: TL-6, TL-8.

use crate::Context;
use crate::crowd;
use crate::outcome::Outcome;
use crate::pki::{Failure, Pair, endless_chain};
use crate::target::{Random, ask, handshake};
use rustls::pki_types::CertificateDer;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// TL-6: no handshake fails, what is broken is never served, and what is not is there within a second.
pub(crate) async fn swapped(context: Arc<Context>) -> Outcome {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut visitors = JoinSet::new();
    for number in 0..context.concurrency.min(8) {
        visitors.spawn(visit_until(context.clone(), number, is_over.clone()));
    }
    let mut outcome = match swap(&context).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::failed(error.to_string()),
    };
    is_over.store(true, Ordering::Relaxed);
    while let Some(visited) = visitors.join_next().await {
        outcome.add(visited.unwrap_or_else(|error| Outcome::failed(error.to_string())));
    }
    outcome
}

async fn swap(context: &Context) -> Result<Outcome, Failure> {
    let (mut outcome, mut random) = (Outcome::default(), Random::new(context.seed, 0));
    let mut last = context.target.sign()?;
    context
        .target
        .replace(Some(&last.certificate), Some(&last.key))?;
    wait_for(context, &last, &mut outcome).await?;
    for number in 0..context.count {
        if number % 10 == 9 {
            let other = context.target.sign()?;
            let half = &other.certificate[..other.certificate.len() / 2];
            let expired = context.target.authority.sign(2000, 2001)?;
            match random.below(4) {
                0 => context.target.replace(Some(half), Some(&other.key))?,
                // The key of another certificate.
                1 => context
                    .target
                    .replace(Some(&last.certificate), Some(&other.key))?,
                2 => context
                    .target
                    .replace(Some(&expired.certificate), Some(&expired.key))?,
                _ => context.target.replace(Some(""), None)?,
            }
            outcome.count("broken");
            // There is nothing to wait for: it must not change.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if shown(context, number).await? != last.der()? {
                outcome.complain("a broken certificate is served");
            }
            continue;
        }
        let next = context.target.sign()?;
        context
            .target
            .replace(Some(&next.certificate), Some(&next.key))?;
        wait_for(context, &next, &mut outcome).await?;
        outcome.count("swapped");
        last = next;
    }
    Ok(outcome)
}

async fn wait_for(context: &Context, pair: &Pair, outcome: &mut Outcome) -> Result<(), Failure> {
    let (begun, expected) = (Instant::now(), pair.der()?);
    while shown(context, 0).await? != expected {
        if begun.elapsed() > Duration::from_secs(1) {
            outcome.complain("a new certificate is not served after a second");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    outcome.raise("longest_seconds", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The certificate that a client is shown.
async fn shown(context: &Context, number: usize) -> io::Result<CertificateDer<'static>> {
    let stream = context.target.connect_from(number).await?;
    let stream = handshake(stream, context.target.honest.clone()).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let first = certificates.and_then(|chain| chain.first());
    first
        .map(|certificate| certificate.clone().into_owned())
        .ok_or_else(|| io::Error::other("no certificate"))
}

async fn visit_until(context: Arc<Context>, number: usize, is_over: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    while !is_over.load(Ordering::Relaxed) {
        let visit = async {
            let stream = context.target.connect_from(number).await?;
            ask(&mut handshake(stream, context.target.honest.clone()).await?).await
        };
        match visit.await {
            Ok(()) => outcome.count("handshakes"),
            Err(error) => outcome.complain(format!("a handshake under reload: {error}")),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    outcome
}

/// TL-8.
pub(crate) async fn endless_chains(context: Arc<Context>) -> Outcome {
    let config = endless_chain(CHAIN).and_then(|own| context.target.authority.client(Some(own)));
    let config = match config {
        Ok(config) => Arc::new(config),
        Err(error) => return Outcome::failed(error.to_string()),
    };
    crowd::each(&context, |context, number| {
        let config = config.clone();
        async move {
            let (mut outcome, begun) = (Outcome::default(), Instant::now());
            let visit = async {
                let stream = context.target.connect_from(number).await?;
                // TLS 1.3 clients are done before the server has looked: the refusal comes with the answer.
                ask(&mut handshake(stream, config).await?).await
            };
            match visit.await {
                Ok(()) => outcome.complain("a certificate that nobody vouches for was taken"),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    outcome.complain("nobody answered")
                }
                Err(_) => outcome.count("refused"),
            }
            outcome.raise("longest_seconds", begun.elapsed().as_secs_f64());
            outcome
        }
    })
    .await
}

/// Certificates in a chain.
const CHAIN: usize = 100;
