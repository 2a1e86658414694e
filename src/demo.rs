//! The demo gallery: in process while a demo recipe is crawled, or on its own to look at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use crawler::Profile;
use synth::collection::{Collection, CollectionSpec};
use synth::gallery::{self, Gallery};
use url::{Host, Url};

use crate::cli::ServeDemoArgs;
use crate::output::Output;

/// A demo gallery that is up on a free port of loopback.
#[derive(Debug)]
pub struct DemoGallery {
    server: gallery::Server,
    url: Url,
}

impl DemoGallery {
    /// Starts it.
    pub async fn start(spec: &CollectionSpec) -> Result<Self> {
        let free_port = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let gallery = Gallery::new(Collection::new(spec.clone()));
        let server = gallery::serve(gallery, free_port, false).await.context("start the demo gallery")?;
        let url = server.url().parse().context("the demo gallery's address")?;
        Ok(Self { server, url })
    }

    /// Where to send the requests for a site: here, for sites that live on loopback; other sites are asked themselves.
    pub fn url_for(&self, profile: &Profile) -> Option<Url> {
        let on_loopback = match profile.base_url.as_ref()?.host()? {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(name) => name == "localhost",
        };
        on_loopback.then(|| self.url.clone())
    }

    /// Answers what was asked, and ends.
    pub async fn stop(self) -> Result<()> {
        self.server.stop().await.context("stop the demo gallery")
    }
}

/// `bolid serve-demo`: until it is interrupted.
pub async fn serve(args: &ServeDemoArgs, output: Output) -> Result<()> {
    let spec =
        CollectionSpec { seed: args.seed, identities: args.identities, photos_per_identity: args.photos };
    let gallery = Gallery::new(Collection::new(spec));
    let server = gallery::serve(gallery, args.listen, false).await.with_context(|| {
        format!("serve the demo gallery at {}; is the port taken? (--listen)", args.listen)
    })?;
    let url = format!("{}/photos", server.url().trim_end_matches('/'));
    output.show(&serde_json::json!({ "url": url }), |_| {
        format!("the demo gallery is at {url} (Ctrl-C ends it)")
    })?;
    tokio::select! {
        ended = server.run() => ended.context("serve the demo gallery"),
        interrupted = tokio::signal::ctrl_c() => interrupted.context("wait for Ctrl-C"),
    }
}
